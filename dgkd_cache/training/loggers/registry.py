"""The loggers by name. Each is an extra of this distribution, and only opening it loads its library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.training.loggers.mirror import LoggedRun, Logger, Mirror
from dgkd_cache.training.loggers.tensorboard_events import TensorBoardEvents
from dgkd_cache.training.loggers.wandb_run import WandbRun

__all__ = ["LOGGERS", "open_mirror", "require_loggers"]

LOGGERS: dict[str, Callable[[LoggedRun], Logger]] = {"tensorboard": TensorBoardEvents, "wandb": WandbRun}
"""The loggers by the name of their package, which is also that of the extra."""


def require_loggers(names: Sequence[str]) -> None:
    """Raises UnknownName for a logger that is not known, and InvalidInput for one whose package is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise unknown_name("logger", name, LOGGERS)
        spec = find_spec(name)
        # A folder of that name in the working folder, as wandb makes one, is found too, but has no file.
        if spec is None or spec.origin is None:
            raise InvalidInput(
                f"the logger {name} needs the package {name}",
                expected="that package, installed",
                found="none",
                do=f'run: pip install "dgkd-cache[{name}]"',
            )


def open_mirror(names: Sequence[str], run: LoggedRun, *, warn: Callable[[str], None]) -> Mirror:
    """Returns a mirror to the loggers of these names; a name that is given twice counts once."""
    return Mirror({name: LOGGERS[name](run) for name in dict.fromkeys(names)}, warn=warn)
