"""Timing of sides: all of them in every round, in an order that turns, so that a drifting machine slows each alike.

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
from typing import Any, Self

import torch

from benchmarks.conditions import conditions
from benchmarks.result import Result, Row, Side, text
from benchmarks.spread import Bar
from dgkd_cache.device.device import resolve_device

__all__ = [
    "Span",
    "Stopwatch",
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


class Span(float):
    """Wall seconds of one unit of work, and the processor seconds of all threads that went into it.

    Other tenants of a machine lengthen wall time by any factor and processor time hardly. It tells the work only where
    threads sleep while they wait: see `benchmarks/__init__.py`.
    """

    processor: float

    def __new__(cls, wall: float, processor: float) -> Self:
        span = super().__new__(cls, wall)
        span.processor = processor
        return span

    def __reduce__(self) -> tuple[type[Span], tuple[float, float]]:
        return Span, (float(self), self.processor)


class Stopwatch:
    """Both clocks of this process, running from construction on."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def span(self, units: float = 1) -> Span:
        """The time since then, divided by the `units` of work that it took."""
        processor = time.process_time() - self._processor
        return Span((time.perf_counter() - self._wall) / units, processor / units)


Timed = Callable[[int], float]
"""Does its work for round i (-1: the warm-up) and returns the seconds of one unit of it, as a `Span` where it can."""

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


def seconds(action: Callable[[], object], units: float = 1) -> Span:
    """The seconds of one call, divided by the `units` of work that it is."""
    stopwatch = Stopwatch()
    action()
    return stopwatch.span(units)


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
    pairs = list(zip(times[over], times[under], strict=True))
    spans = [(a, b) for a, b in pairs if isinstance(a, Span) and isinstance(b, Span) and b.processor]
    return Row(
        what=what,
        unit="x",
        samples=tuple(a / b for a, b in pairs),
        processor=tuple(a.processor / b.processor for a, b in spans) if len(spans) == len(pairs) else (),
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
