"""Hints that give code: each is provoked by a call of the library, and the call with the hint in it works."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.code_cases import CASES, Code
from support.hints import expressions_in, pattern_of, rewritten, words_in
from torch.utils.data import DataLoader

import dgkd_cache
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.device import allocator, openmp
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.objectives import dense_guidance_loss
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.errors import DgkdError
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.models.registry import build_model
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.dataset import ViewDataset, ViewSampler
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_stores import GuideStore, canonical_json, decimal, get_codec, get_encoding


class Own(Images):
    def image(self, sample: int) -> torch.Tensor:
        raise NotImplementedError


IMPORTED = (
    *(
        Dataset,
        Dropping,
        DumpSettings,
        GuideBank,
        GuideStore,
        GuideWriter,
        Own,
        Provenance,
        RunRandom,
        Schedule,
        TensorImages,
        ViewDataset,
        ViewPlan,
    ),
    *(
        ViewSampler,
        ViewRenderer,
        canonical_json,
        get_codec,
        decimal,
        dense_guidance_loss,
        get_encoding,
        load_dataset,
    ),
)
"""The modules that a program of the user's imports."""


@pytest.fixture
def program(bars, plan, dump, three_guides, make_tiny, as_input, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a line in the folder of the stores with the names that a program of the user's has."""
    for split, name in [(split, name) for split in ("train", "test") for name in ("a", "b")]:
        (tmp_path / "photos" / split / name).mkdir(parents=True)
        shades = np.full((8, 8, 3), 9 if name == "a" else 99, np.uint8)
        Image.fromarray(shades).save(tmp_path / "photos" / split / name / f"{split}.png")
    for path in three_guides:
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOMP_SPINCOUNT", "1")  # so that nothing is chosen for this process
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    random, images, model = RunRandom(7), bars.train, make_tiny(1)
    pixels, labels_N = images.pixels_NIHW.flip(0), images.labels_N[::-1].copy()
    turned = TensorImages(pixels, labels_N, classes=images.classes, name="turned", split="train")
    bank = GuideBank(list(map(str, three_guides)), images)
    step, schedule = 0, Schedule("draw", 3, random=random, samples=100)
    zeros = torch.zeros(2, dtype=torch.int64)

    def first_batch(**arguments: Any) -> Any:
        return next(iter(DataLoader(**arguments)))

    def views_of(**arguments: Any) -> Any:
        return Schedule(views=3, random=random, **arguments).views(0, [7])

    def run(**arguments: Any) -> Any:
        words = {
            "guide": Provenance(name="teacher"),
            "train": ViewRenderer(plan, images),
            "test": ViewRenderer(plan, bars.test),
            "views": range(1),
        }
        return GuideWriter(tmp_path / "new.zarr", model, lambda pixels: model(as_input(pixels)), **words).run(
            **arguments
        )

    def choose_waiting(environment: Any) -> Any:
        openmp.choose_waiting(environment)
        return environment

    def keep_freed_memory(environment: Any) -> Any:
        allocator.keep_freed_memory(environment)
        return environment

    def build(architecture: str) -> torch.nn.Module:
        return build_model(architecture, channels=1, classes=4, height=8, width=8, seed=0)

    names = {one.__name__: one for one in IMPORTED} | {
        "dgkd_cache": dgkd_cache,
        "torch": torch,
        "numpy": np,
        "x": 0.5,
        "seed": 7,
        "data": bars,
        "images": images,
        "turned": turned,
        "plan": plan,
        "train": ViewRenderer(plan, images),
        "test": ViewRenderer(plan, bars.test),
        "train_N": np.arange(90),
        "rows": np.eye(4, dtype=np.float32)[images.labels_N],
        "random": random,
        "schedule": schedule,
        "step": step,
        "bank": bank,
        "view_dataset": ViewDataset(plan, images),
        "warmer": lambda: dump(tmp_path / "warmer.zarr", model, temperature=8.0),
        "model": model,
        "forward": lambda pixels: model(as_input(pixels)),
        "fresh": lambda: tmp_path / "new.zarr",
        "first_batch": first_batch,
        "build": build,
        "views_of": views_of,
        "run": run,
        "choose_waiting": choose_waiting,
        "describe_waiting": openmp.describe_waiting,
        "keep_freed_memory": keep_freed_memory,
        "describe_freed_memory": allocator.describe_freed_memory,
        "stores": Path().glob("t*.zarr"),
        "os": os,
        "pixels": np.zeros((2, 3, 8, 8), np.uint8),
        "rgb_plan": ViewPlan.build(image=(3, 8, 8), transforms=["crop(1)"]),
        "labels": torch.zeros(2, dtype=torch.int64),
        "logits": torch.zeros(2, 4),
        "views": zeros,
        "samples": zeros,
        "keep": None,
    }
    with bank:
        yield lambda line: eval(line, dict(names))


def applied(case: Code, error: DgkdError) -> list[str]:
    """The programs of a user who follows the hint, one for each thing that it offers."""
    if case.wrong:
        quoted = f"'{case.wrong}', "
        return [
            case.program.replace(case.wrong, word) if word else case.program.replace(quoted, "")
            for word in words_in(error.do)
        ]
    hint = error.do
    if hint == "write them in that order":
        written = ast.literal_eval(re.findall(r"\[.*\]", case.program)[0])
        return [case.program.replace(str(written), str(sorted(written, key=lambda one: error.expected.index(one[:4]))))]
    for open_part, words in case.filled:
        assert open_part in hint
        hint = hint.replace(open_part, words)
    argument = "".join(re.findall(r"argument '(\w+)'", error.problem))
    if both := re.fullmatch(r"give what (.+) returns, and (\S+)", hint):
        return [rewritten(rewritten(case.program, both[1], argument), both[2], "")]
    return [rewritten(case.program, code, argument) for code in expressions_in(hint)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.program)
def test_the_code_of_a_hint_works(case: Code, program: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgkd_stores.reading.blocks.MAX_HELD_BYTES", 1)
    with pytest.raises(DgkdError) as caught:
        program(case.program)
    assert pattern_of(case.hint).fullmatch(caught.value.do), caught.value.do
    programs = applied(case, caught.value)
    assert len(programs) == case.offers, programs
    for line in programs:
        assert program(line) is not None, line
