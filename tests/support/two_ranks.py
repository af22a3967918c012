"""Runs a test as ranks: `torchrun ... two_ranks.py SCENARIO FOLDER`, FOLDER a workspace of `tiny_chain`.

Each rank leaves what it saw in FOLDER/SCENARIO-RANK.json.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import Damaged, Interrupted
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.training.steps import Steps
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main
from support.tiny_chain import dump, train

NETS = """
from torch import nn

def smooth(*, channels, classes, height, width):
    return nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, classes))

def idle(*, channels, classes, height, width):
    class First(nn.Sequential):
        def forward(self, pixels):
            return self[1](self[0](pixels))

    return First(nn.Flatten(), nn.Linear(64, classes), nn.Linear(3, 3))

def noisy(*, channels, classes, height, width):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(216, classes)
    )
"""

BATCH = 31  # of 96 samples: shares of 16 and 15, and a last batch of 3, too small to share
Seen = dict[int, list[Any]]


def recorded(steps: Seen) -> Callable[[], None]:
    """Notes (views, samples, kept guides) of every step that is taken; the call that ends it."""
    original = Steps.train_step

    def watched(self: Steps, batch: GuidedBatch) -> Any:
        steps[batch.step] = [batch.views.tolist(), batch.samples.tolist(), batch.kept.tolist()]
        return original(self, batch)

    Steps.train_step = watched  # type: ignore[method-assign]

    def end() -> None:
        Steps.train_step = original  # type: ignore[method-assign]

    return end


def guided(ws: Workspace, name: str, architecture: str, ranks: Ranks = ALONE, **settings: Any) -> None:
    """A run under the teacher, in batches that two ranks cannot cut in halves."""
    recipe = ws.config.training.model_copy(update={"batch_size": BATCH, "lr": 0.05})
    chosen = {"architecture": f"tiny_nets:{architecture}", "training": recipe, "guides": [ws.store_path("teacher")]}
    train(ws, name, ranks=ranks, **chosen | settings)


def together(ws: Workspace, ranks: Ranks) -> dict[str, Any]:
    """Whole runs, one that a rank stops, and dumps, the last by the command, all in one group."""
    seen: dict[str, Any] = {}
    with ranks.join(torch.device("cpu")):
        steps: Seen = {}
        end = recorded(steps)
        guided(ws, "smooth-2", "smooth", ranks)
        end()
        seen["steps"] = steps
        guided(ws, "noisy-2", "noisy", ranks)
        calls = itertools.count(1)
        try:
            guided(ws, "stopped-2", "noisy", ranks, stop=lambda: ranks.rank == 1 and next(calls) == 2)
        except Interrupted as error:
            seen["stopped"] = error.problem
        guided(ws, "stopped-2", "noisy", ranks)
        seen["seal"] = dump(ws, "teacher", views=range(5, 6), ranks=ranks).seal  # one view: a rank has nothing to do
        shards = [dump(ws, "teacher", views=range(7, 12), shard=(shard, 2), ranks=ranks) for shard in range(2)]
        seen["shards"] = [shard.seal for shard in shards]
        command = ["-w", str(ws.folder), "dump", "--model", "teacher", "--views", "12:14", "--device", "cpu", "--json"]
        with redirect_stdout(StringIO()) as printed:
            main(command, standalone_mode=False)
        seen["printed"], seen["threads"] = printed.getvalue(), torch.get_num_threads()
    return seen


def failing(ws: Workspace, ranks: Ranks) -> None:
    """The second rank meets damage in its third step."""
    original = Steps.train_step

    def broken(self: Steps, batch: GuidedBatch) -> Any:
        if ranks.rank == 1 and batch.step == 2:
            raise Damaged("a row is damaged")
        return original(self, batch)

    Steps.train_step = broken  # type: ignore[method-assign]
    main(["-w", str(ws.folder), "train", "--model", "ta1", "--device", "cpu"])


if __name__ == "__main__":
    scenario, folder = sys.argv[1], Path(sys.argv[2])
    here = Ranks.of(os.environ)
    found = {"together": together, "failing": failing}[scenario](Workspace.open(folder), here)
    (folder / f"{scenario}-{here.rank}.json").write_text(json.dumps(found))
