"""Imports module:factory, the user's own network: a function that is called with keywords.

It is offered channels, classes, height and width, gets those of them that its signature has (all of them with
**keywords), and returns a torch.nn.Module. Importing a module runs
it, so the name must come from the user's own command line, settings or program; `load_model` never takes it from a card
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from torch import nn

from dgkd_cache.errors import DgkdError, InvalidInput
from dgkd_cache.models.registry import Registration, register_pattern
from dgkd_cache.user_code import RAISED, accepted_keywords, describe_exception, import_factory

_SOURCE = "a source of timm's, which would let files from elsewhere choose what is built"
_NO_MODULES = {
    "hf-hub": _SOURCE,
    "hf_hub": _SOURCE,
    "local-dir": _SOURCE,
    "adopted": "a model that was adopted, for [chain] of dgkd.toml",
    "store": "a store of a guide, for [chain] of dgkd.toml",
}
"""Words that may stand before a colon and are no modules of the user's, each with its meaning."""


@register_pattern(
    "(?!torchvision:|timm:).+:.+",
    form="module:factory",
    about="a network of your own: mypackage.nets:make_net",
    user_code=True,
)
def _parse(architecture: str) -> Registration:
    if architecture.partition(":")[0] in _NO_MODULES:
        raise InvalidInput(
            f"{architecture} is no architecture",
            expected="a name that `dgkd-cache models` lists, torchvision:NAME, timm:NAME or module:factory",
            found=_NO_MODULES[architecture.partition(":")[0]],
            do="name the architecture; weights of it are adopted from a file, and a store is a guide by its path",
        )
    define = "(*, channels, classes, height, width) there, or with some of these, returning a torch.nn.Module"
    factory = import_factory(architecture, kind="model", define=define, otherwise="torchvision:NAME")
    return Registration(factory=partial(_user_model, name=architecture, factory=factory), external=True)


def _user_model(
    *, name: str, factory: Callable[..., object], channels: int, classes: int, height: int, width: int
) -> nn.Module:
    sizes = {"channels": channels, "classes": classes, "height": height, "width": width}
    keywords = accepted_keywords(name, factory, sizes)
    try:
        return cast(nn.Module, factory(**keywords))  # `check_forward` checks it
    except DgkdError:
        raise
    except RAISED as error:
        raise InvalidInput(
            f"the model factory {name} failed",
            expected="a torch.nn.Module",
            found=describe_exception(error),
            do=f"call it by hand with {', '.join(f'{key}={value}' for key, value in keywords.items())} and mend it",
        ) from error
