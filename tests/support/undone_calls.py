"""Public calls that leave nothing behind: a registry as it was, work that is stopped, a context that is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from torch import nn

from dgkd_cache.errors import Interrupted

__all__ = ["entered", "registered", "stopped"]


def registered(registry: dict[str, object], register: Callable[..., Callable[[object], object]]) -> Callable[..., None]:
    """Registers, and leaves the registry as it was."""

    def made(**keywords: object) -> None:
        before = dict(registry)
        register(**keywords)(nn.Linear)
        for name in set(registry) - set(before):
            del registry[name]

    return made


def stopped(run: Callable[..., object]) -> Callable[..., None]:
    """Goes as far as to ask for the first time whether to stop."""

    def begun(**keywords: object) -> None:
        with suppress(Interrupted):
            run(**keywords)

    return begun


def entered(context: Callable[..., AbstractContextManager[None]]) -> Callable[..., None]:
    def enter(**keywords: object) -> None:
        with context(**keywords):
            pass

    return enter
