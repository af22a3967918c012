"""The way OpenMP's threads wait for one another, which has to be set before torch is loaded. Loads no torch.

libgomp's threads spin for milliseconds before they sleep. Where another process has one of the cores, they spin away
the time of the thread that they wait for. How threads wait changes no bit of what they compute; how many there are
does, so that never depends on the load. `cores.py` keeps them apart while a model trains.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

__all__ = ["SPIN_COUNT", "choose_waiting", "describe_waiting"]

SPIN_COUNT = "30000"
"""Turns of libgomp's loop before a thread sleeps. Measured: `python -m benchmarks.busy`, docs/performance.md."""

_SAID_BY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def choose_waiting(environment: MutableMapping[str, str]) -> None:
    """Has libgomp's threads spin `SPIN_COUNT` times and then sleep, unless the environment says how they wait.

    What is loaded and started after that inherits it: torch, data loader workers, other commands.
    """
    _require_variables("choose_waiting", environment, MutableMapping)
    if not any(name in environment for name in _SAID_BY):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT


def describe_waiting(environment: Mapping[str, str]) -> str:
    """The variables in force, such as "GOMP_SPINCOUNT=30000"."""
    _require_variables("describe_waiting", environment, Mapping)
    return " ".join(f"{name}={environment[name]}" for name in _SAID_BY if name in environment) or "libgomp's own choice"


def _require_variables(call: str, environment: object, kind: type) -> None:
    if not isinstance(environment, kind):
        from dgkd_stores import refused  # which loads numpy, and nobody waits for that before training

        expected, do = "the variables of a process", f"write {call}(os.environ)"
        raise refused(call, "environment", environment, expected=expected, do=do)
