"""Hints that give code: each is provoked by a call of the library, and the call with the hint in it works."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
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


@dataclass(frozen=True)
class Code:
    """The call that provokes a hint of the source, and the words in it that the hint is for (default: the argument).

    `filled` stands for what a hint leaves open; `offers` is how many pieces of code it gives.
    """

    hint: str
    program: str
    wrong: str = ""
    offers: int = 1
    filled: tuple[tuple[str, str], ...] = ()


WRITER = (
    "GuideWriter(path=fresh(), model=model, forward={forward}, guide={guide}, train={train}, test=test, views={views}, "
    "settings={settings})"
)
GIVEN = {
    "forward": "forward",
    "guide": "Provenance(name='teacher')",
    "train": "train",
    "views": "range(2)",
    "settings": "DumpSettings()",
}
PROGRAM = (
    "GuideWriter.from_logits(path=fresh(), logits={logits}, identity={identity}, guide=Provenance(name='given'), "
    "train=train, views=range(2))"
)
PLAN = "ViewPlan.build(image=(1, 8, 8), transforms={})"
DRAWN = "Schedule(kind='draw', views=3, random={}, samples=100)"

CASES = [
    Code("write always=(X,)", "Dropping(always='teacher')"),
    Code("write bank.names", "Dropping().keep_mask(random=random, step=step, names='teacher')"),
    Code("write RunRandom(seed)", "Dropping().keep_mask(random=seed, step=0, names=bank.names)"),
    Code("write [X]", "GuideBank(stores='teacher.zarr', images=train)"),
    Code("write list(stores)", "GuideBank(stores=stores, images=train)"),
    Code('write ["teacher.zarr", "ta1.zarr"]', "GuideBank(stores={'teacher.zarr'}, images=train)"),
    Code("write images=data.train", "GuideBank(stores=['teacher.zarr'], images=data)"),
    Code("write views=range(X)", "GuideBank(stores=['teacher.zarr'], images=train, views=3)"),
    Code("write align=True, which matches the samples by content", "GuideBank(stores=['teacher.zarr'], images=turned)"),
    Code("write dropping=Dropping(keep=0.75)", "bank.loader(batch_size=4, dropping=0.75)"),
    Code("write temperature=X", "GuideBank(stores=[*stores, warmer()], images=train)"),
    Code("write lambda pixels: model(pixels / 255)", WRITER.format_map(GIVEN | {"forward": "1"})),
    Code("write guide=dgkd_cache.Provenance(name=X)", WRITER.format_map(GIVEN | {"guide": "'ta1'"})),
    Code(
        "write settings=dgkd_cache.DumpSettings(temperature=4.0)", WRITER.format_map(GIVEN | {"settings": "{'x': 4.0}"})
    ),
    Code("write X=dgkd_cache.ViewRenderer(plan, data.X)", WRITER.format_map(GIVEN | {"train": "images"})),
    Code("write views=range(X)", WRITER.format_map(GIVEN | {"views": "3"})),
    Code(
        'write for example identity={"service": "classifier", "version": 3}',
        PROGRAM.format(logits="lambda view, samples_B: rows[samples_B]", identity="{}"),
    ),
    Code(
        "give logits=lambda view, samples_B: rows[samples_B]",
        PROGRAM.format(logits="None", identity="{'service': 'classifier'}"),
    ),
    Code('write transforms = ["none"] for none', PLAN.format([])),
    Code('write transforms=["crop(4)", "hflip"]', PLAN.format("[torch.nn.Identity()]")),
    Code("write one of them, for example crop(4) or hflip", PLAN.format(["zzz"]), wrong="zzz", offers=2),
    Code("write for example X", PLAN.format(["resized-crop(0)"]), wrong="resized-crop(0)"),
    Code("write for example X", PLAN.format(["crop(0)"]), wrong="crop(0)"),
    Code("write for example X", PLAN.format(["erasing(2)"]), wrong="erasing(2)"),
    Code(
        "write for example X", PLAN.format(["color-jitter(0.4, 0.4, 0.4, 1)"]), wrong="color-jitter(0.4, 0.4, 0.4, 1)"
    ),
    Code(
        "write blur(X, X, X) or leave it out",
        PLAN.format(["blur(0.1, 3)", "erasing"]),
        wrong="blur(0.1, 3)",
        offers=2,
    ),
    Code("write crop(X) or leave it out", PLAN.format(["crop(8)", "hflip"]), wrong="crop(8)", offers=2),
    Code(
        'put a resized-crop first, for example transforms = ["resized-crop(224)", "hflip"]',
        "ViewPlan.build(image=(1, None, None), transforms=['crop(1)'])",
    ),
    Code(
        'set scheme = "sampled"', "ViewPlan.build(image=(1, 8, 8), transforms=['resized-crop(8)'], scheme='enumerated')"
    ),
    Code("write them in that order", PLAN.format(["hflip", "crop(1)"])),
    Code("write image=(X, X, X)", "ViewPlan.build(image=(8, 8, 1), transforms=['hflip'])"),
    Code("write ViewDataset(plan, images)", "ViewDataset(images, images)"),
    Code("write ViewRenderer(plan, images)", "ViewRenderer(images, images)"),
    Code("write RunRandom(seed)", "ViewSampler(schedule=schedule, random=seed, samples=100, batch_size=4)"),
    Code("write random=RunRandom(seed)", DRAWN.format("seed")),
    Code(
        "write len(images), or train_N",
        "ViewSampler(schedule=schedule, random=random, samples=images, batch_size=4)",
        offers=2,
    ),
    Code(
        "give the DataLoader batch_sampler=ViewSampler(...)",
        "first_batch(dataset=view_dataset)",
        filled=(("ViewSampler(...)", "ViewSampler(schedule, random, len(images), 4)"),),
    ),
    Code(
        "write TensorImages(pixels, labels, classes=..., name=..., split=...) for arrays, or "
        'load_dataset("folder:PATH").train for files',
        "ViewRenderer(plan=rgb_plan, images=pixels)",
        offers=2,
        filled=(
            ("classes=..., name=..., split=...", 'classes=("a", "b"), name="mine", split="train"'),
            ("folder:PATH", "folder:photos"),
        ),
    ),
    Code("write views.pixels([0, 0], [5, 17]) for samples 5 and 17 in view 0", "train.pixels(views_B=0, samples_B=5)"),
    Code(
        "give channels=X, height=X, width=X, and images in that order",
        "Own(name='a', split='b', classes=('x',), labels_N=[0], channels=8, height=8, width=1)",
    ),
    Code(
        "give what bank.gather(views, samples, keep) returns, and guide_count=len(bank.names)",
        "dense_guidance_loss(logits_BC=logits, labels_B=labels, softened_KBC=logits, guide_count=1, "
        "objective='paper', lambda_=0.5, temperature=1.0)",
    ),
    Code(
        "write samples=len(images) for the Schedule: it is made for the whole data set",
        "views_of(kind='draw', samples=5)",
    ),
    Code("write stop=lambda: False", "run(stop=True)"),
    Code('write encoding="topk"', "DumpSettings(topk=3)"),
    Code("write X(os.environ)", "choose_waiting(environment=None)"),
    Code("write X(os.environ)", "describe_waiting(environment=None)"),
    Code("write X(os.environ)", "keep_freed_memory(environment=None)"),
    Code("write X(os.environ)", "describe_freed_memory(environment=None)"),
    Code("write X=X", "Dataset(train=images, test=data.test, mean=(0.5,), std=('1',))"),
    Code(
        "write classes=[X], if that is the only class",
        "TensorImages(pixels, [0, 0], classes='cat', name='mine', split='train')",
    ),
    Code("write folder:X for images in class folders", "load_dataset(name='photos')", wrong="photos"),
    Code("try wrn-16-2", "build('wrn-x')", wrong="wrn-x"),
    Code("wrn-X-X and wrn-X-X are the nearest", "build('wrn-17-2')", wrong="wrn-17-2", offers=2),
    Code("did you mean X?", "build('plain12')", wrong="plain12", offers=3),
    Code("did you mean X?", "get_encoding('float46')", wrong="float46"),
    Code("did you mean X?", "get_codec('zsd')", wrong="zsd"),
    Code("did you mean X?", "load_dataset(name='digit')", wrong="digit"),
    Code("did you mean X?", "Schedule(kind='drwa', views=3, random=random, samples=9)", wrong="drwa"),
    Code("did you mean X?", "Dropping(kind='bernouli')", wrong="bernouli"),
    Code("did you mean X?", PLAN.format(["hfilp"]), wrong="hfilp"),
    Code("use the encoding float32", "get_encoding('float16').encode(numpy.full((1, 4), 1e6, 'f4'))", wrong="float16"),
    Code(
        "write a number that is no integer as a decimal string (`decimal(x)`)", "canonical_json({'lr': x})", wrong="x"
    ),
    Code(
        "set reader to mmap, if you trust its disk",
        "GuideStore.open(path='teacher.zarr', reader='pread').gather([0], [0])",
        wrong="pread",
    ),
]


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
