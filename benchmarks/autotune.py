"""Measures every precision and memory format beside what `auto` takes, the check of dgkd_cache/device/autotune.py.

Training steps (forward, loss, backward, SGD) on one thread, in processor time. A processor with AVX-512
is measured once more as one that has AVX2 only. bf16 is left out where it is emulated.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from benchmarks.harness import Timed, Times, arguments, at_least, finish, rounds
from benchmarks.result import Row, Side
from dgkd_cache.device.autotune import COMBINATIONS, Combination
from dgkd_cache.device.device import autocast, bf16_is_native, choose, place, unit_of
from dgkd_cache.device.threads import one_thread
from dgkd_cache.models.registry import build_model

CPU = torch.device("cpu")
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}

SMALL = ((1, 28, 28), (1, 8, 8))
MODELS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "resnet8": ((3, 32, 32), *SMALL),
    "resnet20": ((3, 32, 32),),
    "wrn-16-1": ((3, 32, 32),),
    "plain2": ((3, 32, 32), *SMALL),
    "plain10": ((3, 32, 32), *SMALL),
    "vgg8": ((3, 32, 32), *SMALL),
    "torchvision:resnet18": ((3, 32, 32), *SMALL),
}
"""By family: residual networks, plain ones, torchvision's."""


def main(given: Sequence[str] | None = None) -> None:
    defaults: dict[str, int | str] = {"rounds": 6, "batch": 128, "models": ",".join(MODELS)}
    quick: dict[str, int | str] = {"rounds": 1, "batch": 8, "models": "resnet8"}
    options = arguments(__doc__, defaults, quick, given)
    settings = [str(options.rounds), str(options.batch), options.models]
    environments = [{}, AVX2] if unit_of(CPU).startswith("AVX-512") else [{}]
    rows = [row for environment in environments for row in _measured_under(environment, settings)]
    finish("autotune", "What `auto` takes, and what it costs", rows, options)


def child(settings: Sequence[str]) -> None:
    """Prints, a line of JSON for each model and size, the unit, the choice and the seconds of every combination."""
    count, batch, models = int(settings[0]), int(settings[1]), settings[2].split(",")
    with one_thread():
        for model in models:
            for shape in MODELS[model]:
                sides = {str(each): _timed(model, shape, batch, each) for each in COMBINATIONS if _measurable(each)}
                found = {"times": rounds(sides, count), "unit": unit_of(CPU), "chosen": str(choose(CPU))}
                print(json.dumps({**found, "what": f"{model}, {'x'.join(map(str, shape))}"}), flush=True)


def _measured_under(environment: Mapping[str, str], settings: Sequence[str]) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks.autotune", "child", *settings]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    return [_row(**json.loads(line)) for line in done.stdout.splitlines()]


def _row(*, what: str, unit: str, chosen: str, times: Times) -> Row:
    others = [times[name] for name in times if name != chosen]
    return Row(
        what=f"{unit}, {what}: fastest other / {chosen}",
        unit="x",
        samples=tuple(min(other) / one for *other, one in zip(*others, times[chosen], strict=True)),
        sides=tuple(Side(name=name, median=statistics.median(seconds)) for name, seconds in times.items()),
        bar=at_least(0.9),
    )


def _measurable(each: Combination) -> bool:
    return each.precision == "float32" or bf16_is_native(CPU)


def _timed(model: str, shape: tuple[int, int, int], batch: int, each: Combination) -> Timed:
    step = _step(model, shape, batch, each)

    def side(_: int) -> float:
        started = time.process_time()
        step()
        return time.process_time() - started

    return side


def _step(model: str, shape: tuple[int, int, int], batch: int, each: Combination) -> Callable[[], None]:
    channels, height, width = shape
    network = build_model(model, channels=channels, classes=10, height=height, width=width, seed=0).train()
    place(network, CPU, channels_last=each.channels_last)
    layout = torch.channels_last if each.channels_last else torch.contiguous_format
    images_BIHW = torch.rand(batch, *shape).to(memory_format=layout)
    labels_B = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        with autocast(CPU, each.precision):
            logits_BC = network(images_BIHW)
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(logits_BC.float(), labels_B).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2:])
    else:
        main()
