"""The training loop: resumed equals uninterrupted at every step, and the same command twice gives the same weights."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.progress import Silent
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.evaluate import evaluate
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.training.trainer import Outcome, Trainer
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

CPU = torch.device("cpu")

STEPS = 12  # 3 epochs of 4 batches: 32, 32, 32 and 4 samples


class Lines(Silent):
    """Keeps the lines that are said, tasks as they start and end, and the figures of steps."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.figures: list[str] = []

    def start(self, what: str, **_: object) -> None:
        self.lines.append(f"> {what}")

    def advance(self, n: int, figures: str = "") -> None:
        self.figures.append(figures)

    def finish(self, figures: str = "") -> None:
        self.lines.append(f"< {figures}")

    def say(self, line: str) -> None:
        self.lines.append(line)


class Run:
    """One training of a tiny model; `stops` are the steps after which it is interrupted, and taken up again."""

    def __init__(self, bars, plan, as_input, make_tiny, stores, **settings) -> None:
        self.bars, self.plan, self.as_input, self.make_tiny = bars, plan, as_input, make_tiny
        self.stores = stores
        self.validate = settings.pop("validate", False)
        self.test_every = settings.pop("test_every", 0)
        self.progress = Lines()
        self.model_of: Callable[[], nn.Module] = settings.pop("model_of", lambda: make_tiny(9))
        defaults = {"epochs": 3, "batch_size": 32, "lr": 0.05, "checkpoint_steps": 5}
        defaults |= {"precision": "float32", "channels_last": True}
        self.training = TrainingConfig(**{**defaults, **settings})

    def once(self, folder: Path, stop_after: int | None) -> tuple[nn.Module, Outcome]:
        model = self.model = self.model_of()
        random = RunRandom(self.training.seed)
        views = ViewRenderer(self.plan, self.bars.train)
        bank = GuideBank(self.stores, views) if self.stores else None
        steps = Steps(
            model,
            self.as_input,
            views=views,
            samples_N=np.arange(100),
            schedule=Schedule("cycle", 3, random=random, samples=100),
            random=random,
            training=self.training,
            guided=Guided(guidance=bank, dropping=Dropping(keep=0.6), objective="paper", lambda_=0.5),
            device=CPU,
        )
        held_N = np.arange(80, 100 if self.validate else 80)
        test = ViewRenderer(self.plan, self.bars.test)
        trainer = Trainer(steps, held_N=held_N, test=test, test_every=self.test_every)
        assert steps.count == STEPS or self.training.epochs != 3
        calls = itertools.count(1)
        try:
            outcome = trainer.run(folder, progress=self.progress, stop=lambda: next(calls) == stop_after, name="tiny")
        finally:
            if bank:
                bank.close()
        return model, outcome

    def __call__(self, folder: Path, stops: tuple[int, ...] = ()) -> tuple[dict[str, torch.Tensor], list[dict]]:
        folder.mkdir(parents=True)
        done = 0
        for stop in stops:
            with pytest.raises(Interrupted, match=f"after step {stop} of {STEPS}") as caught:
                self.once(folder, stop - done)
            assert caught.value.exit_code == 130
            done = stop
        model, self.outcome = self.once(folder, None)
        lines = read_metrics(folder / "metrics.jsonl")
        return model.state_dict(), [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.fixture
def run(bars, plan, as_input, make_tiny, three_guides):
    def make(*, guided: bool = True, **settings) -> Run:
        return Run(bars, plan, as_input, make_tiny, three_guides if guided else [], **settings)

    return make


def assert_same(a, b) -> None:
    for key, value in a[0].items():
        assert torch.equal(value, b[0][key]), key
    assert a[1] == b[1]


def test_stopped_after_any_step_and_resumed_equals_uninterrupted(run, tmp_path: Path) -> None:
    whole = run()(tmp_path / "whole")
    assert [line["epoch"] for line in whole[1]] == [0, 1, 2]
    for stop in range(1, STEPS):
        assert_same(whole, run()(tmp_path / f"stop{stop}", (stop,)))
    assert_same(whole, run()(tmp_path / "often", tuple(range(1, STEPS))))


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw", "lr": 0.01, "lr_schedule": "cosine"},
        {"nesterov": True, "warmup_epochs": 1, "channels_last": False},
        {"validate": True, "select": "best"},
    ],
)
def test_resume_with_other_recipes(run, tmp_path: Path, settings: dict) -> None:
    whole = run(**settings)
    expected = whole(tmp_path / "whole")
    parts = run(**settings)
    assert_same(expected, parts(tmp_path / "parts", (3, 4, 7)))
    assert (whole.outcome.epoch, whole.outcome.validation) == (parts.outcome.epoch, parts.outcome.validation)


def accuracy(run: Run, samples: Sequence[int], images: Images) -> float:
    """The share of un-augmented images that the model as it stands gets right, one by one."""
    with torch.no_grad():
        rows = [run.model.eval()(run.as_input(images.image(int(i))[None]))[0] for i in samples]
    return sum(int(row.argmax()) == images.labels_N[i] for row, i in zip(rows, samples, strict=True)) / len(samples)


def test_an_epoch_has_a_line_and_the_end_the_accuracy_on_test(run, bars, tmp_path: Path) -> None:
    one = run(validate=True, test_every=2)
    _, metrics = one(tmp_path / "one")
    assert one.outcome.test.samples == 40 and one.outcome.test.accuracy == accuracy(one, range(40), bars.test)
    lines = [
        f"tiny: epoch {n}/3, step {4 * n}/12, loss {line['loss']:.4f}, train accuracy {line['train_accuracy']:.2%}, "
        f"held-out {line['validation_accuracy']:.2%}".replace("%", " %")
        for n, line in enumerate(metrics, 1)
    ]
    lines[1] += f", test {metrics[1]['test_accuracy']:.2%}".replace("%", " %")
    held, tested = ["> evaluate tiny on held-out", "< "], ["> evaluate tiny on test", "< "]
    end = f"< test accuracy {one.outcome.test.accuracy:.2%} of 40 samples".replace("%", " %")
    assert one.progress.lines == [
        *("> train tiny", *held, lines[0], *held, *tested, lines[1], *held, lines[2], *tested, end),
    ]
    steps = [figures for figures in one.progress.figures if figures]
    assert steps[0] == "epoch 1/3, step 1/12" and steps[-1] == "epoch 3/3, step 12/12" and len(steps) == STEPS


def test_test_every_is_of_the_weights_of_its_epoch_and_changes_none(run, bars, tmp_path: Path) -> None:
    stopped = run(test_every=2, validate=True)
    (tmp_path / "stopped").mkdir()
    with pytest.raises(Interrupted):
        stopped.once(tmp_path / "stopped", 8)
    line = read_metrics(tmp_path / "stopped" / "metrics.jsonl")[1]
    assert line["test_accuracy"] == accuracy(stopped, range(40), bars.test)
    assert line["validation_accuracy"] == accuracy(stopped, range(80, 100), bars.train)
    plain = run(validate=True)(tmp_path / "plain")
    for every in (1, 2, 3):
        weights, lines = run(test_every=every, validate=True)(tmp_path / f"every-{every}", (3, 7))
        assert [line["epoch"] + 1 for line in lines if "test_loss" in line] == list(range(every, 4, every))
        kept = [{key: value for key, value in line.items() if not key.startswith("test_")} for line in lines]
        assert_same(plain, (weights, kept))


def test_resume_restores_the_random_state_that_dropout_uses(run, make_tiny, tmp_path: Path) -> None:
    def with_dropout() -> nn.Module:
        return nn.Sequential(*list(make_tiny(4))[:-1], nn.Dropout(0.5), list(make_tiny(4))[-1])

    whole = run(model_of=with_dropout, guided=False)(tmp_path / "whole")
    assert_same(whole, run(model_of=with_dropout, guided=False)(tmp_path / "parts", (2, 6)))
    other_seed = run(model_of=with_dropout, guided=False, seed=1)(tmp_path / "other")
    assert not torch.equal(whole[0]["0.weight"], other_seed[0]["0.weight"])


def test_workers_change_nothing_and_a_resumed_run_draws_the_same(
    run, make_tiny, bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that are not held come from loader processes: neither dropout nor the guides' dropping may notice."""
    drops: dict[int, list[bool]] = {}
    keep = StepInputs.keep

    def watched(self: StepInputs, step: int) -> np.ndarray:
        mask = keep(self, step)
        assert drops.setdefault(step, mask.tolist()) == mask.tolist()  # a resumed run asks again for what was ahead
        return mask

    monkeypatch.setattr(StepInputs, "keep", watched)

    class OnTheFly(TensorImages):
        pixels_NIHW = None

    train = OnTheFly(bars.train.pixels_NIHW, bars.train.labels_N, classes=bars.classes, name="bars", split="train")
    away = Dataset(train=train, test=bars.test, mean=bars.mean, std=bars.std)

    def with_dropout() -> nn.Module:
        return nn.Sequential(*list(make_tiny(4))[:-1], nn.Dropout(0.5), list(make_tiny(4))[-1])

    def training(workers: int) -> Run:
        made = run(model_of=with_dropout, workers=workers)
        made.bars = away
        return made

    whole = training(0)(tmp_path / "whole")
    expected = dict(drops)
    drops.clear()
    assert list(expected) == list(range(STEPS)) and len(set(map(tuple, expected.values()))) > 2
    for name, workers, stops in (("worker", 1, ()), ("parts", 1, (2, 7))):
        assert_same(whole, training(workers)(tmp_path / name, stops))
        assert drops == expected
        drops.clear()


def test_a_kill_loses_no_more_than_the_steps_since_the_last_checkpoint(run, tmp_path: Path) -> None:
    """A crash after a checkpoint: steps done since then, and their metrics, are done again, once."""
    whole = run()(tmp_path / "whole")
    folder = tmp_path / "killed"
    folder.mkdir()
    crashing = run()
    counter = itertools.count(1)

    class Crash(BaseException):
        pass

    def crash() -> bool:
        if next(counter) == 9:
            raise Crash
        return False

    original = Trainer.run
    with pytest.raises(Crash), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run", lambda self, *a, **k: original(self, *a, **{**k, "stop": crash}))
        crashing.once(folder, None)
    model, _ = crashing.once(folder, None)
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder / "metrics.jsonl")]
    assert_same(whole, (model.state_dict(), lines))


def test_a_finished_checkpoint_trains_nothing_more_and_an_epoch_boundary_goes_on(run, tmp_path: Path) -> None:
    part = run()
    whole = part(tmp_path / "whole", (4, 8))  # both are ends of epochs
    assert [line["step"] for line in whole[1]] == [4, 8, 12]


def test_it_learns_and_select_best_returns_the_best_epochs_weights(run, bars, tmp_path: Path) -> None:
    training = run(guided=False, epochs=12, validate=True, select="best")
    state, lines = training(tmp_path / "run")
    best = max(line["validation_accuracy"] for line in lines)
    first_best = next(line["epoch"] for line in lines if line["validation_accuracy"] == best)
    assert training.outcome.epoch == first_best
    model = training.make_tiny(0)
    model.load_state_dict(state)
    views = ViewRenderer(training.plan, bars.train)
    score = evaluate(model, lambda pixels: model(training.as_input(pixels)), views, samples=range(80, 100))
    assert score.accuracy == best > 0.9


def test_a_loss_that_is_not_finite_is_told(run, tmp_path: Path) -> None:
    with pytest.raises(DgkdError, match="not finite in epoch .*; lower training.lr") as caught:
        run(guided=False, lr=1e30, checkpoint_steps=1)(tmp_path / "run")
    assert caught.value.exit_code == 1
    with pytest.raises(DgkdError, match="not finite in epoch .*; lower training.lr"):
        run(guided=False, lr=1e30, checkpoint_steps=1).once(
            tmp_path / "run", None
        )  # with no such checkpoint in its way


def test_metrics_are_json_lines_of_means(run, tmp_path: Path) -> None:
    run(validate=True)(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    for line in lines:
        assert set(line) >= {
            "epoch",
            "step",
            "loss",
            "ce",
            "kl",
            "train_accuracy",
            "lr",
            "validation_accuracy",
        }
        assert 0 <= line["train_accuracy"] <= 1 and math.isfinite(line["loss"])
