"""The registry of architectures, and the function that builds models by name.

The key is the factory's name, a duplicate is an error, and the error for an unknown name lists the closest ones, as in
timm (`timm/models/_registry.py`). Weights depend on the seed alone; no global random state changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, overload

import torch
from torch import nn

from dgkd_cache.errors import InvalidInput, natural, unknown_name
from dgkd_cache.models.contract import check_forward
from dgkd_cache.models.outputs import give_logits_alone
from dgkd_stores import Registry
from dgkd_stores.arguments import refusal, require_integer, require_kind

__all__ = [
    "ModelFactory",
    "Parser",
    "Registration",
    "build_model",
    "count_parameters",
    "count_unbuilt",
    "find_model",
    "is_user_code",
    "model_names",
    "model_patterns",
    "register_model",
    "register_pattern",
    "wanted_input_size",
]


_REGISTER = "register_model"


class ModelFactory(Protocol):
    """Builds a network that maps float32 [B, channels, height, width] to logits [B, classes]."""

    def __call__(self, *, channels: int, classes: int, height: int, width: int) -> nn.Module: ...


@dataclass(frozen=True, kw_only=True)
class Registration:
    """The registry's entry of one architecture."""

    factory: ModelFactory
    smallest: int = 1  # pixels: the shortest image side that the architecture can take
    input_size: int | None = None  # pixels: the side it was made for; None takes any from `smallest` up
    external: bool = False  # made elsewhere: tested before use


Parser = Callable[[str], Registration]


@overload
def register_model(factory: ModelFactory, /) -> ModelFactory: ...


@overload
def register_model(*, name: str = "", smallest: int = 1) -> Callable[[ModelFactory], ModelFactory]: ...


def register_model(
    factory: ModelFactory | None = None, /, *, name: str = "", smallest: int = 1
) -> ModelFactory | Callable[[ModelFactory], ModelFactory]:
    """Registers a factory under its own name, or under `name` for a member of a family; a decorator.

    It is written `@register_model`, or with arguments `@register_model(smallest=8)`. `smallest` is the shortest image
    side, in pixels, that the factory can take. Raises InvalidInput for a name that is taken, or for no function.
    """
    require_kind(_REGISTER, "name", name, str, expected="the architecture's name, as text")
    require_integer(_REGISTER, "smallest", smallest, low=1)

    def enter(factory: ModelFactory) -> ModelFactory:
        if not callable(factory) or not (name or getattr(factory, "__name__", "")):
            expected = "a function of channels, classes, height and width that returns a torch.nn.Module, with a name"
            raise refusal(_REGISTER, "factory", factory, expected=expected)
        MODELS.register(name or getattr(factory, "__name__", ""), Registration(factory=factory, smallest=smallest))
        return factory

    return enter if factory is None else enter(factory)


def register_pattern(
    regex: str, *, form: str, about: str, names: Callable[[], Iterable[str]] = tuple, user_code: bool = False
) -> Callable[[Parser], Parser]:
    """Returns a decorator for a function that makes a registration of every name that `regex` fully matches.

    `form` is the written form of such a name (`wrn-D-K`) and `about` its description; `names` lists the names, if
    possible; `user_code` means that the function imports the named module. No two patterns overlap.
    """

    def enter(parse: Parser) -> Parser:
        _PATTERNS.register(form, _Pattern(re.compile(regex), about, parse, names, user_code))
        return parse

    return enter


def model_names() -> tuple[str, ...]:
    """Returns the names without parameters, families together and small models first."""
    return tuple(sorted(MODELS, key=natural))


def model_patterns() -> dict[str, str]:
    """Returns the forms of parametrised names, each with a description."""
    return {form: pattern.about for form, pattern in sorted(_PATTERNS.items())}


def is_user_code(architecture: str) -> bool:
    """Returns True if `find_model` would import a module of this name. Imports nothing."""
    if architecture in MODELS:
        return False
    return any(one.user_code and one.regex.fullmatch(architecture) for one in _PATTERNS.values())


def find_model(architecture: str) -> Registration:
    """Returns the registration of a name, a `wrn-D-K`, a `torchvision:NAME`, a `timm:NAME` or a `module:factory`.

    Raises UnknownName (exit 2) naming the closest names, InvalidInput for a known form with wrong content.
    """
    if architecture in MODELS:
        return MODELS[architecture]
    for pattern in _PATTERNS.values():
        if pattern.regex.fullmatch(architecture):
            return pattern.parse(architecture)
    prefixed = [name for one in _PATTERNS.values() for name in one.names() if name.endswith(f":{architecture}")]
    do = "`dgkd-cache models` lists them all"
    raise unknown_name("model", architecture, [*MODELS, *_PATTERNS], meant=prefixed, do=do)


def build_model(
    architecture: str,
    *,
    channels: int,
    classes: int,
    height: int,
    width: int,
    seed: int,
    accept_probabilities: bool = False,
    trains: bool = True,
) -> nn.Module:
    """Builds a new network on the CPU in float32, with weights that depend on the arguments alone.

    `height` and `width` are those of the network's input, after `Preprocess`. Raises UnknownName (exit 2) for an
    unknown architecture and InvalidInput (exit 2) for an image that is too small or for counts below one. A
    `module:factory` that draws from anything but torch's generator is not seeded by this. A network made elsewhere is
    tested on noise, and refused (InvalidInput) if it returns no logits or cannot be a guide; `accept_probabilities`
    accepts outputs that look like probabilities as logits. Unless it `trains`, it is for weights that were trained
    elsewhere: it is not tested in training mode, and may return its logits in a tuple or mapping (`logits_in`).
    """
    require_kind("build_model", "architecture", architecture, str, expected="a name that `dgkd-cache models` lists")
    sizes = {"channels": channels, "classes": classes, "height": height, "width": width}
    for key, size in sizes.items():
        require_integer("build_model", key, size)  # a size that is too small gets an error with the right one
    require_integer("build_model", "seed", seed, low=-(2**63), high=2**64 - 1)
    registration = _find_fitting(architecture, **sizes)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # torch.manual_seed would also reseed every accelerator, which fork_rng does not restore here.
        torch.default_generator.manual_seed(seed)
        model = registration.factory(**sizes)
        if not registration.external:
            return model
        if not trains and isinstance(model, nn.Module):
            give_logits_alone(model)
        return check_forward(architecture, model, **sizes, accept_probabilities=accept_probabilities, trains=trains)


def count_unbuilt(architecture: str, *, channels: int, classes: int, height: int, width: int) -> int:
    """Counts parameters without allocating the network; 0 for a `module:factory`, which may build anything.

    Raises what `build_model` raises.
    """
    sizes = {"channels": channels, "classes": classes, "height": height, "width": width}
    factory = _find_fitting(architecture, **sizes).factory
    if is_user_code(architecture):
        return 0
    with torch.device("meta"):
        return count_parameters(factory(**sizes))


def _find_fitting(architecture: str, *, channels: int, classes: int, height: int, width: int) -> Registration:
    """Returns the registration, as `find_model`; refuses counts below one and an image that is too small."""
    registration = find_model(architecture)
    for what, count in (("channels", channels), ("classes", classes)):
        if count < 1:
            raise InvalidInput(f"no model {architecture} can be built", expected=f"{what} >= 1", found=str(count))
    if min(height, width) < (smallest := registration.smallest):
        raise InvalidInput(
            f"the image is too small for {architecture}",
            expected=f"at least {smallest}x{smallest} pixels",
            found=f"{height}x{width}",
            do="choose another architecture (`dgkd-cache models` lists them), views of larger images, or a larger "
            "training.input_size",
        )
    return registration


def wanted_input_size(architecture: str, height: int, width: int, setting: int | None = None) -> int | None:
    """Returns the side in pixels to which a view is resized for this architecture; None: not resized.

    It is the recipe's `setting`; without one, only architectures made for one resolution (torchvision's) have a size.
    It is stored in the `Preprocess`.
    """
    wanted = find_model(architecture).input_size if setting is None else setting
    return None if wanted is None or (height, width) == (wanted, wanted) else wanted


def count_parameters(model: nn.Module) -> int:
    """Counts the elements of all parameters, P; buffers such as running means are not counted."""
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class _Pattern:
    """A form of parametrised names."""

    regex: re.Pattern[str]
    about: str
    parse: Parser
    names: Callable[[], Iterable[str]]
    user_code: bool


MODELS = Registry[Registration]("model")
_PATTERNS = Registry[_Pattern]("form of model name")
