"""Sets how OpenMP's threads wait for one another, which is possible only before torch is loaded. Loads no torch.

libgomp's threads spin for milliseconds before they sleep. If another process uses one of the cores, they take the time
of the thread that they wait for. How threads wait changes no bit of their results; their number does, so it never
depends on the load. `cores.py` pins them to cores while a model trains.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from dgkd_cache.device.variables import require_variables

__all__ = ["SPIN_COUNT", "choose_waiting", "describe_waiting"]

SPIN_COUNT = "30000"
"""Iterations of libgomp's loop before a thread sleeps. Measured: `python -m benchmarks.busy`, docs/performance.md."""

_SAID_BY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def choose_waiting(environment: MutableMapping[str, str]) -> None:
    """Makes libgomp's threads spin `SPIN_COUNT` times and then sleep, unless the environment sets how they wait.

    Libraries and processes that start later inherit it: torch, data loader workers, other commands.
    """
    require_variables("choose_waiting", environment, MutableMapping)
    if not any(name in environment for name in _SAID_BY):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT


def describe_waiting(environment: Mapping[str, str]) -> str:
    """Returns the variables in force, such as "GOMP_SPINCOUNT=30000"."""
    require_variables("describe_waiting", environment, Mapping)
    return " ".join(f"{name}={environment[name]}" for name in _SAID_BY if name in environment) or "libgomp's own choice"
