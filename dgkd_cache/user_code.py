"""Imports module:factory, the user's own function, by name.

Importing a module runs it. The name must come from the user's own dgkd.toml, command line or program, never from a
card, a store or a checkpoint, which may come from somebody else.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

from dgkd_cache.errors import DgkdError, InvalidInput, is_out_of_memory

__all__ = [
    "RAISED",
    "accepted_keywords",
    "ask_before_import",
    "convert_errors",
    "describe_exception",
    "import_factory",
]

RAISED = (Exception, SystemExit)
"""Exceptions that are caught from the user's code: SystemExit, too, which would end the program without a message."""

_THIS_PACKAGE = Path(__file__).parent

_askers: list[Callable[[str], None]] = []


@contextmanager
def ask_before_import(ask: Callable[[str], None]) -> Iterator[None]:
    """Calls `ask` with each module:factory before its import inside the block; `ask` refuses by raising."""
    _askers.append(ask)
    try:
        yield
    finally:
        _askers.remove(ask)


def import_factory(name: str, *, kind: str, define: str, otherwise: str) -> Callable[..., object]:
    """Returns the function that `module:factory` names, of an installed module or of one in the current folder.

    The current folder is appended to Python's module path: the module can import those beside it, and nothing there
    hides an installed module. For messages: `kind` is what it makes ("model"), `define` the rest of its definition
    after the name, `otherwise` what else a name may be. Raises InvalidInput for a module that cannot be imported or
    exists twice, and for a missing function.
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
    except RAISED as error:
        raise InvalidInput(
            f"the {kind} {name} cannot be imported",
            expected=f"a module {module_name!r} in {here or 'the current folder'} or installed, or {otherwise}",
            found=describe_exception(error),
            do=_import_hint(error, module_name),
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


def accepted_keywords(name: str, factory: Callable[..., object], offered: Mapping[str, object]) -> dict[str, object]:
    """Returns the `offered` keywords that the factory `name` accepts: all of them with **keywords.

    Raises InvalidInput, which names the parameter, if it cannot be called with keywords of these names.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return dict(offered)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for parameter in parameters:
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if required and (parameter.kind is parameter.POSITIONAL_ONLY or parameter.name not in offered):
            raise InvalidInput(
                f"the function {name} cannot be called",
                expected=f"a function that needs no more than the keywords {', '.join(offered)}"
                if offered
                else "a function that needs no arguments",
                found=f"the required parameter {parameter.name!r}"
                + (" without a keyword" if parameter.kind is parameter.POSITIONAL_ONLY else ""),
                do="give it a default"
                + (", or take it as a keyword" if parameter.name in offered else " or take it out of the signature"),
            )
    names = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    return {key: value for key, value in offered.items() if takes_all or key in names}


@contextmanager
def convert_errors(problem: str, *, expected: str, do: str, into: type[DgkdError] = InvalidInput) -> Iterator[None]:
    """Converts errors of the user's code in the `with` block into this project's, except out-of-memory errors."""
    try:
        yield
    except DgkdError:
        raise
    except RAISED as error:
        if is_out_of_memory(error):
            raise
        raise into(problem, expected=expected, found=describe_exception(error), do=do) from error


def describe_exception(error: BaseException) -> str:
    """Describes an exception of user code in one line: its type, its message, and the last line of user code."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _lies_in(frame.filename, "stdlib", "platstdlib")]
    own = [frame for frame in theirs if not _lies_in(frame.filename, "purelib", "platlib")] or theirs
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _import_hint(error: BaseException, module_name: str) -> str:
    """Returns the hint for a module that is missing, needs a missing one, or fails by itself."""
    if module_name.endswith(".py") or "/" in module_name:
        return "name the module as Python imports it: mynets:net is the function net in mynets.py of the current folder"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{module_name}.".startswith(f"{missing}."):
        return "run from the folder of the module, or put that folder on PYTHONPATH"
    if missing:
        return f"install {missing}, or put its folder on PYTHONPATH"
    return f"mend the module: `python -c 'import {module_name}'` shows all of the error"


def _lies_in(filename: str, *keys: str) -> bool:
    """Returns True for a file in these folders of Python (see sysconfig) or in this package, and for a pseudo file."""
    folders = (_THIS_PACKAGE, *(Path(sysconfig.get_path(key)) for key in keys))
    return filename.startswith("<") or any(Path(filename).is_relative_to(folder) for folder in folders)


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # deleted or not readable; installed modules still work
        return None


def _refuse_two(top: str, here: str | None, *, name: str, kind: str) -> None:
    """Raises InvalidInput if the current folder has a module of that name but Python would import another one."""
    own = PathFinder.find_spec(top, [here]) if here and top else None
    if own is None or own.origin is None:
        return
    try:
        taken = importlib.util.find_spec(top)
    except ValueError:  # __main__, and modules that a program built itself
        taken = None
    found = taken.origin if taken else None
    if found is None or not os.path.exists(found) or not os.path.samefile(found, own.origin):
        raise InvalidInput(
            f"the {kind} {name} means one of two modules",
            expected=f"one module {top!r}",
            found=f"{own.origin} and {found or 'one of Python itself'}",
            do="give your own another name",
        )
