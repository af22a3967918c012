"""module:factory, a network of the user's own: a function, imported by name and called with four keywords.

`factory(channels=, classes=, height=, width=)` returns a torch.nn.Module. Importing a module runs it, so the
name must come from the user's own command line, settings or program; `load_model` never takes it from a card alone.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from torch import nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.foreign import check_forward
from dgkd_cache.models.registry import ModelFactory, Registration, register_pattern
from dgkd_cache.user_code import import_factory

__all__ = ["find_factory"]


def find_factory(name: str) -> ModelFactory:
    """The function behind `module:factory`; the module is installed or in the current folder. Raises InvalidInput."""
    define = "(*, channels, classes, height, width) there, returning a torch.nn.Module"
    factory = import_factory(name, kind="model", define=define, otherwise="torchvision:NAME")
    return cast(ModelFactory, factory)


@register_pattern(
    "(?!torchvision:).+:.+",
    form="module:factory",
    about="a network of your own: mypackage.nets:make_net",
    user_code=True,
)
def _parse(architecture: str) -> Registration:
    factory = partial(_user_model, name=architecture, factory=find_factory(architecture))
    return Registration(factory=factory)


def _user_model(*, name: str, factory: ModelFactory, channels: int, classes: int, height: int, width: int) -> nn.Module:
    try:
        model = factory(channels=channels, classes=classes, height=height, width=width)
    except Exception as error:  # the user's code may raise anything
        raise InvalidInput(
            f"the model factory {name} failed",
            expected="a function with the keywords channels, classes, height and width",
            found=f"{type(error).__name__}: {error}",
            do="call it by hand with these keywords and mend it",
        ) from error
    return check_forward(name, model, channels=channels, classes=classes, height=height, width=width)
