"""module:factory, a function of the user's own, imported by name.

Importing a module runs it: the name must come from the user's own command line, settings or card.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from dgkd_cache.errors import InvalidInput

__all__ = ["import_factory"]


def import_factory(name: str, *, kind: str, define: str, otherwise: str) -> Callable[..., object]:
    """The function that `module:factory` names; the current directory is put on Python's module path first.

    For messages: `kind` is what it makes ("model"), `define` how its definition goes on after its name, `otherwise`
    what else a name may be. Raises InvalidInput for a module that cannot be imported and a function that is not there.
    """
    module_name, _, attribute = name.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the user's code may raise anything
        raise InvalidInput(
            f"the {kind} {name} cannot be imported",
            expected=f"a module {module_name!r} in {here} or installed, or {otherwise}",
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
