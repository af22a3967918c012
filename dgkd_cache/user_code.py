"""module:factory, a function of the user's own, imported by name.

Importing a module runs it. The name must come from the user's own dgkd.toml, command line or program, never from a
card, a store or a checkpoint: those may be somebody else's.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder

from dgkd_cache.errors import InvalidInput

__all__ = ["asked_before_import", "import_factory"]

_askers: list[Callable[[str], None]] = []


@contextmanager
def asked_before_import(ask: Callable[[str], None]) -> Iterator[None]:
    """While the block lasts, `ask` is called with each module:factory before it is imported; it refuses by raising."""
    _askers.append(ask)
    try:
        yield
    finally:
        _askers.remove(ask)


def import_factory(name: str, *, kind: str, define: str, otherwise: str) -> Callable[..., object]:
    """The function that `module:factory` names, of an installed module or of one in the current folder.

    The current folder goes to the end of Python's module path: the module finds the ones beside it, and nothing there
    hides an installed module. For messages: `kind` is what it makes ("model"), `define` how its definition goes on
    after its name, `otherwise` what else a name may be. Raises InvalidInput for a module that cannot be imported, for
    one that is there twice, and for a function that is not there.
    """
    for ask in _askers:
        ask(name)
    module_name, _, attribute = name.partition(":")
    here = _current_folder()
    if here and here not in sys.path:
        sys.path.append(here)
    _refuse_two(module_name.partition(".")[0], here, name=name, kind=kind)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise InvalidInput(
            f"the {kind} {name} cannot be imported",
            expected=f"a module {module_name!r} in {here or 'the current folder'} or installed, or {otherwise}",
            found=f"{type(error).__name__}: {error}",
            do="run from the folder of the module, or put that folder on PYTHONPATH",
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise InvalidInput(
            f"the {kind} {name} cannot be made",
            expected=f"a function {attribute!r} in the module {module_name}",
            found="nothing of that name" if factory is None else type(factory).__name__,
            do=f"define {attribute or 'a function'}{define}",
        )
    made: Callable[..., object] = factory
    return made


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted, or may not be read; what is installed is still there
        return None


def _refuse_two(top: str, here: str | None, *, name: str, kind: str) -> None:
    """Raises InvalidInput where the current folder has a module of that name and Python would take another one."""
    own = PathFinder.find_spec(top, [here]) if here and top else None
    if own is None or own.origin is None:
        return
    try:
        taken = importlib.util.find_spec(top)
    except ValueError:  # __main__, and what a program put together by itself
        taken = None
    found = taken.origin if taken else None
    if found is None or not os.path.exists(found) or not os.path.samefile(found, own.origin):
        raise InvalidInput(
            f"the {kind} {name} means one of two modules",
            expected=f"one module {top!r}",
            found=f"{own.origin} and {found or 'one of Python itself'}",
            do="give your own another name",
        )
