"""A plan against what a chain then takes: on a clock that the models' own forward passes move, so nothing is timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
from support.tiny_chain import add_module, dump, run, train, workspace
from torch import nn

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.dump.sizes import SLACK_BYTES
from dgkd_cache.errors import InvalidInput
from dgkd_cache.estimate.costs import ChainCost
from dgkd_cache.models.registry import MODELS, register_model
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.tasks import dump_draws, plan_chain
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import encoding_names

CLOCKED = """
from torch import nn

now, forwarded = 0.0, 0

class Clocked(nn.Module):
    def __init__(self, cost, channels, classes):
        super().__init__()
        self.cost = cost
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, classes))

    def forward(self, images):
        global now, forwarded
        # The trial of a new model has two images, and eight in training mode, as no batch here.
        if len(images) > 2 and not (self.training and len(images) == 8):
            now += self.cost * len(images)
            forwarded += len(images)
        return self.layers(images)

def four(*, channels, classes, height, width):
    return Clocked(4.0, channels, classes)

def two(*, channels, classes, height, width):
    return Clocked(2.0, channels, classes)

def drawn(*, channels, classes, height, width):
    made = Clocked(4.0, channels, classes)
    made.layers.insert(2, nn.Dropout(0.5))
    return made

def one(*, channels, classes, height, width):
    return Clocked(1.0, channels, classes)
"""
CHAIN = 'teacher = "clocked:four"\nta1 = "clocked:two"\nstudent = "clocked:one"'
SAMPLES, TESTS, VIEWS, BATCH = 96, 40, 2, 32


@pytest.fixture
def clocked(import_own: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_own("clocked", CLOCKED)


def planned(ws: Workspace, clocked: ModuleType) -> ChainCost:
    return plan_chain(ws, device="cpu", seconds=7000, progress=Silent(), clock=lambda: clocked.now)


def taken(clocked: ModuleType, work: Callable[[], object]) -> tuple[float, int]:
    """(seconds, forwards) of some work."""
    before = clocked.now, clocked.forwarded
    work()
    return clocked.now - before[0], clocked.forwarded - before[1]


def test_a_real_dump_takes_what_was_planned(tmp_path: Path, clocked: ModuleType) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN)
    cost = planned(ws, clocked)
    assert not (ws.folder / "runs").exists() and not (ws.folder / "guides").exists()
    assert [guide.guide for guide in cost.guides] == ["teacher", "ta1"]
    for guide, each in zip(cost.guides, (4.0, 2.0), strict=True):
        stores = [ws.store_path(name) for name in ws.guides_for(guide.guide)]
        train(
            ws,
            guide.guide,
            architecture=guide.architecture,
            guides=stores,
            training=ws.config.training_for(guide.guide),
        )
        assert (guide.dump_seconds, guide.forwards) == taken(clocked, partial(dump, ws, guide.guide))
        assert guide.forwards == VIEWS * SAMPLES + TESTS + SAMPLES + BATCH  # the first batch twice
        assert guide.dump_seconds == each * guide.forwards
    assert cost.dump_seconds == 6.0 * cost.guides[0].forwards


def test_a_real_dump_of_draws_takes_what_was_planned(tmp_path: Path, clocked: ModuleType) -> None:
    chain = 'teacher = "clocked:drawn"\nstudent = "clocked:one"'
    ws = workspace(tmp_path / "ws", chain=chain, cache__draws=3, distillation__keep=0.5)
    cost = planned(ws, clocked)
    (guide,), student = cost.guides, cost.runs[-1]
    train(ws, "teacher", architecture=guide.architecture, training=ws.config.training_for("teacher"))
    words = {"model": "teacher", "device": "cpu", "progress": Silent(), "stop": lambda: False}
    assert (guide.dump_seconds, guide.forwards) == taken(clocked, lambda: dump_draws(ws, draws=3, **words))
    each = VIEWS * SAMPLES + TESTS + SAMPLES + 2 * BATCH  # the first batch a second time, and once reversed
    assert (guide.forwards, guide.dump_seconds) == (3 * each, 4.0 * 3 * each)
    stores = [ws.store_path("teacher", draw=draw) for draw in range(3)]
    files = [path for store in stores for path in store.rglob("*") if path.is_file()]
    assert 0 <= cost.nbytes - sum(path.stat().st_size for path in files) <= 3 * SLACK_BYTES
    assert student.guides == ("teacher.d0", "teacher.d1", "teacher.d2")
    assert student.live_all_seconds == 3 * 4.0 * student.samples, "live, each draw is a pass of its own"
    assert student.live_seconds == 0.5 * student.live_all_seconds


@pytest.mark.parametrize("encoding", encoding_names())
def test_bytes_are_those_of_a_real_store(tmp_path: Path, clocked: ModuleType, encoding: str) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, cache__encoding="float16", training__epochs=1)
    cost = planned(ws, clocked)
    assert cost.encoding == "float16" and cost.nbytes == cost.encodings["float16"]
    assert "factored" not in cost.encodings, "of four classes and 64 features it takes no less"
    assert "topk" not in cost.encodings, "it loses what others keep"
    settings = {"cache.encoding": encoding} | ({"cache.topk": 2} if encoding == "topk" else {})
    other = ws.with_config(with_overrides(ws.config, settings))
    run(other)
    if encoding in ("factored", "topk"):
        cost = planned(other, clocked)
        assert cost.nbytes == cost.encodings[encoding]
    for guide in cost.guides:
        files = [path for path in ws.store_path(guide.guide).rglob("*") if path.is_file()]
        assert 0 <= guide.encodings[encoding] - sum(path.stat().st_size for path in files) <= SLACK_BYTES


@pytest.mark.parametrize(("inputs", "offered"), [(1, True), (2, False)])
def test_coefficients_are_offered_where_classes_are_more_than_twice_as_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: int, offered: bool
) -> None:
    add_module(tmp_path, monkeypatch)

    def narrow_net(*, channels: int, classes: int, height: int, width: int) -> nn.Module:
        """From nowhere."""
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, inputs), nn.Linear(inputs, classes))

    with mock.patch.dict(MODELS):
        register_model(smallest=4)(narrow_net)
        ws = workspace(tmp_path / "ws", chain='teacher = "narrow_net"\nstudent = "plain2"')
        cost = plan_chain(ws, device="cpu", seconds=0.01, progress=Silent())  # nobody moves the other clock here
    assert ("factored" in cost.encodings) is offered and cost.encoding == "float16"
    if offered:
        assert cost.encodings["factored"] < cost.encodings["float16"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"views__transforms": ["crop(1)", "mixup(1)"], "distillation__guide_loss": "dkd"}, "mix two samples"),
        ({"views__transforms": ["cutmix(1)"], "dataset__validation": SAMPLES - 1}, "a single training sample"),
        ({"cache__encoding": "topk", "cache__topk": 2, "distillation__guide_loss": "dkd"}, "logits of all classes"),
        ({"cache__encoding": "topk", "cache__topk": 2, "distillation__temperature": 3.0}, "at this temperature"),
    ],
)
def test_what_run_refuses_is_refused_before_anything_is_measured(
    tmp_path: Path, clocked: ModuleType, settings: dict[str, object], problem: str
) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, **settings)
    with pytest.raises(InvalidInput, match=problem):
        planned(ws, clocked)
    assert clocked.forwarded == 0
    with pytest.raises(InvalidInput, match=problem):
        run(ws)


def test_live_guides_take_what_was_planned(tmp_path: Path, clocked: ModuleType) -> None:
    """Trained without guides, and under live ones that are never dropped; the test set is scored in the end."""
    ws = workspace(tmp_path / "ws", chain=CHAIN, distillation__dropping="none")
    student = planned(ws, clocked).runs[-1]
    assert student.samples == 2 * SAMPLES
    for name in ("teacher", "ta1"):
        train(ws, name, architecture=ws.architecture(name))
    alone, _ = taken(clocked, lambda: train(ws, "alone", architecture="clocked:one"))
    folders = [ws.run_folder(name) for name in student.guides]
    live, _ = taken(clocked, lambda: train(ws, "live", architecture="clocked:one", live=folders))
    assert student.train_seconds == alone - TESTS
    rehearsed = 6.0 * 2 * 32  # before it begins, 32 images of each guide twice
    assert student.live_seconds == student.live_all_seconds == live - alone - rehearsed == 6.0 * 2 * SAMPLES


def test_dropping_recipes_and_the_validation_split_are_counted(tmp_path: Path, clocked: ModuleType) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, dataset__validation=16, distillation__keep=0.5)
    teacher, ta1, student = planned(ws, clocked).runs
    assert (teacher.samples, ta1.samples, student.samples) == (3 * 80, 2 * 80, 2 * 80)
    assert (teacher.train_seconds, ta1.train_seconds, student.train_seconds) == (4.0 * 240, 2.0 * 160, 160.0)
    assert teacher.live_all_seconds == 0
    assert (ta1.live_seconds, ta1.live_all_seconds) == (0.5 * 4 * 160, 4.0 * 160)
    assert (student.live_seconds, student.live_all_seconds) == (0.5 * 6 * 160, 6.0 * 160)


def test_a_chain_without_guides_and_no_time(tmp_path: Path, clocked: ModuleType) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, distillation__method="scratch")
    cost = planned(ws, clocked)
    assert (cost.guides, cost.forwards, cost.encodings, cost.cheaper_from) == ((), 0, {}, None)
    with pytest.raises(InvalidInput, match="more than 0 seconds"):
        plan_chain(ws, device="cpu", seconds=0, progress=Silent())
