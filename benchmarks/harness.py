"""How sides are timed: all of them in every round, in an order that turns, so that a drifting machine slows each alike.

Ratios are taken within a round. A side returns the seconds of one unit of its work; what it does besides (warming up,
filling a queue) it leaves out itself. One round goes before and is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.conditions import conditions
from benchmarks.result import Result, Row, Side, text
from benchmarks.spread import Bar
from dgkd_cache.compute import resolve_device

__all__ = [
    "Timed",
    "Times",
    "arguments",
    "at_least",
    "at_most",
    "finish",
    "ratio",
    "rounds",
    "scratch",
    "seconds",
    "synchronize",
]

Timed = Callable[[int], float]
"""Does its work for round i (-1: the warm-up) and returns the seconds of one unit of it."""

Times = dict[str, list[float]]
"""By side, a figure a round."""


def rounds(sides: Mapping[str, Timed], count: int) -> Times:
    """`count` rounds of all sides: the first side first in even rounds, last in odd ones, and turned besides."""
    names = list(sides)
    for name in names:
        sides[name](-1)
    times: Times = {name: [] for name in names}
    for i in range(count):
        turn = (i // 2) % len(names)
        order = names[turn:] + names[:turn]
        for name in order if i % 2 == 0 else reversed(order):
            times[name].append(sides[name](i))
    return times


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """The seconds of one call, the mean of `times` calls."""
    started = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - started) / times


def ratio(
    what: str,
    times: Times,
    *,
    over: str,
    under: str,
    floor: float | None = 1.0,
    floor_is: str = "",
    bar: Bar | None = None,
) -> Row:
    """`over` divided by `under`, round by round: how many times faster `under` is."""
    return Row(
        what=what,
        unit="x",
        samples=tuple(a / b for a, b in zip(times[over], times[under], strict=True)),
        sides=tuple(Side(name=name, median=statistics.median(times[name])) for name in (over, under)),
        floor=floor,
        floor_is=floor_is,
        bar=bar,
    )


def at_least(limit: float) -> Bar:
    return Bar(kind="at least", limit=limit)


def at_most(limit: float) -> Bar:
    return Bar(kind="at most", limit=limit)


def arguments(
    about: str | None, defaults: Mapping[str, int | str], quick: Mapping[str, int | str], given: Sequence[str] | None
) -> argparse.Namespace:
    """The settings of one benchmark: an option for each default, and `quick` in their place with `--quick`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), help=f"default {default}; quick {quick.get(name)}"
        )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--quick", action="store_true", help="the smallest run that goes through everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="where stores are made (default: a temporary folder)"
    )
    options = parser.parse_args(given)
    chosen = [
        f"--{name.replace('_', '-')} {value}" for name, value in vars(options).items() if value and name in defaults
    ]
    device = [] if options.device == "cpu" else [f"--device {options.device}"]
    options.command = " ".join([*(["--quick"] if options.quick else []), *device, *chosen])
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, quick.get(name, default) if options.quick else default)
    options.device = resolve_device(options.device)
    options.settings = {name: getattr(options, name) for name in defaults}
    options.conditions = conditions(options.device)
    return options


@contextmanager
def scratch(options: argparse.Namespace) -> Iterator[Path]:
    """A folder of the benchmark's own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dgkd-bench-", dir=options.scratch) as folder:
        yield Path(folder)


def finish(
    name: str, title: str, rows: Sequence[Row], options: argparse.Namespace, notes: Sequence[str] = (), **found: Any
) -> Result:
    """Print the result, and write it where `--json` says; `found` are conditions that only the run could tell."""
    result = Result(
        name=name,
        title=title,
        command=f"python -m benchmarks.{name} {options.command}".rstrip(),
        conditions={**options.conditions, **found},
        settings={key.replace("_", " "): value for key, value in options.settings.items()},
        rows=tuple(rows),
        notes=tuple(notes),
    )
    print(text(result))
    sys.stdout.flush()
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(result.to_json(), encoding="utf-8")
    return result


def synchronize(device: torch.device) -> None:
    """Wait for what the device still computes, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
