"""GuideWriter: rows are the model's own logits, and a dump stopped anywhere ends in the same bytes."""

from __future__ import annotations

import itertools
from pathlib import Path
from unittest.mock import ANY, call, create_autospec

import numpy as np
import pytest
import torch

from dgkd_cache.dump.encoding_error import describe_error
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.errors import Interrupted, Locked, Mismatch
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.progress import Progress
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore


def files_of(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def writer_of(path: Path, model, as_input, bars, plan, *, forward=None, views=range(3), **settings) -> GuideWriter:
    return GuideWriter(
        path,
        model,
        forward or (lambda pixels: model(as_input(pixels))),
        guide=Provenance(name="teacher"),
        train=ViewRenderer(plan, bars.train),
        test=ViewRenderer(plan, bars.test),
        views=views,
        settings=DumpSettings(**{"batch_size": 32, **settings}),
    )


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_rows_are_the_models_logits_over_t_on_the_views_pixels(
    bars, plan, as_input, make_tiny, dump, tmp_path: Path, temperature: float
) -> None:
    model = make_tiny(1)
    path = dump(tmp_path / "teacher.zarr", model, encoding="float32", temperature=temperature)
    with GuideStore.open(path) as store:
        rows = store.gather(np.repeat(np.arange(3), 100), np.tile(np.arange(100), 3)).reshape(3, 100, 4)
        header, test_logits_MC = store.header, store.test_logits_MC
    views = ViewRenderer(plan, bars.train)
    with torch.no_grad():
        for view in range(3):
            for i in (0, 31, 32, 99):  # one at a time, not in the dump's batches
                logits = model(as_input(views.pixels([view], [i])))[0] / temperature
                np.testing.assert_allclose(rows[view, i], logits, rtol=1e-4, atol=1e-6)
        test = model(as_input(bars.test.pixels_NIHW)) / temperature
    np.testing.assert_allclose(test_logits_MC, test, rtol=1e-4, atol=1e-6)
    right = int((test.argmax(1).numpy() == bars.test.labels_N).sum())
    assert float(header.guide.accuracy) == right / 40
    assert header.guide.weights_digest == weights_digest(model)
    assert header.guide.parameters == sum(p.numel() for p in model.parameters())
    assert header.dataset.digest == bars.train.digest and header.plan_digest == plan.digest


def test_stopped_after_any_batch_and_run_again_is_byte_identical(
    bars, plan, as_input, make_tiny, dump, tmp_path: Path
) -> None:
    model = make_tiny(1)
    whole = files_of(dump(tmp_path / "whole" / "teacher.zarr", model))
    batches = 3 * 4
    for stop_at in range(1, batches + 1):
        path = tmp_path / str(stop_at) / "teacher.zarr"
        calls = itertools.count(1)
        with pytest.raises(Interrupted) as caught:
            writer_of(path, model, as_input, bars, plan).run(stop=lambda at=stop_at, calls=calls: next(calls) == at)
        assert caught.value.exit_code == 130
        dump(path, model)
        assert files_of(path) == whole, stop_at
        assert [p.name for p in path.parent.iterdir()] == ["teacher.zarr"]


def test_shares_of_views_make_one_store_with_the_same_bytes(
    bars, plan, as_input, make_tiny, dump, tmp_path: Path
) -> None:
    model = make_tiny(1)
    whole = files_of(dump(tmp_path / "whole" / "teacher.zarr", model))
    path = tmp_path / "shared" / "teacher.zarr"
    seals = []
    for mine in (range(2, 3), range(0, 1), range(1, 2)):
        seals.append(writer_of(path, model, as_input, bars, plan).run(mine=mine).seal)
    assert seals[:2] == [None, None] and seals[2] is not None
    assert files_of(path) == whole


def test_a_finished_store_is_left_alone_without_a_forward_pass(bars, plan, make_tiny, dump, as_input, tmp_path):
    model = make_tiny(1)
    path = dump(tmp_path / "teacher.zarr", model)
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}

    def forbidden(pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the model was run")

    assert writer_of(path, model, as_input, bars, plan, forward=forbidden).run().seal is not None
    assert before == {p: p.stat().st_mtime_ns for p in path.rglob("*")}


def test_everything_that_is_forwarded_is_told(bars, plan, as_input, make_tiny, tmp_path: Path) -> None:
    """40 test images and the 100 rows that judge the encoding, then three views; a bar is there before the first."""
    progress, model = create_autospec(Progress, instance=True), make_tiny(1)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        assert progress.start.called
        return model(as_input(pixels))

    path = tmp_path / "teacher.zarr"
    writer_of(path, model, as_input, bars, plan, forward=forward).run(progress=progress)
    before = call.start("dump teacher, test set and encoding", total=140, unit="samples")
    views = call.start("dump teacher", total=300, unit="samples", amount=ANY, done=0, seconds=ANY)
    with GuideStore.open(path) as store:
        accuracy, error = float(store.header.guide.accuracy), describe_error("float16", store.header.fidelity)
    ends = [call.finish(f"test accuracy {accuracy:.2%}".replace("%", " %") + f", {error}"), call.finish()]
    told = progress.mock_calls
    assert [one for one in told if one[0] != "advance"] == [before, ends[0], views, ends[1]]
    assert sum(one.args[0] for one in told[: told.index(views)] if one[0] == "advance") == 140
    assert sum(one.args[0] for one in told[told.index(views) :] if one[0] == "advance") == 300


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": 2.0}, "temperature"),
        ({"views": range(4)}, "views"),
        ({"encoding": "float32"}, "encoding"),
    ],
)
def test_a_store_begun_otherwise_is_refused_and_kept(
    bars, plan, as_input, make_tiny, dump, tmp_path: Path, settings: dict, words: str
) -> None:
    model = make_tiny(1)
    path = dump(tmp_path / "teacher.zarr", model)
    before = files_of(path)
    with pytest.raises(Mismatch, match=words) as caught:
        writer_of(path, model, as_input, bars, plan, **settings).run()
    assert caught.value.exit_code == 13
    assert files_of(path) == before


@pytest.mark.parametrize("finished", [True, False])
def test_the_store_of_another_model_is_refused_before_a_forward_pass(
    bars, plan, as_input, make_tiny, tmp_path: Path, finished: bool
) -> None:
    model, path = make_tiny(1), tmp_path / "teacher.zarr"
    writer_of(path, model, as_input, bars, plan).run(mine=range(3 if finished else 2))
    before = files_of(path)
    other = writer_of(path, make_tiny(2), as_input, bars, plan, forward=lambda _: pytest.fail("the model was run"))
    with pytest.raises(Mismatch) as caught:
        other.run()
    digests = [weights_digest(one)[:16] for one in (model, make_tiny(2))]
    assert str(caught.value) == (
        f"{path} holds the logits of another model: expected teacher with the weights {digests[0]}, found "
        f"teacher with the weights {digests[1]}; give that model, choose another path, or remove {path} to begin again"
    )
    assert files_of(path) == before


def test_a_second_writer_of_the_same_views_is_told_before_anything_is_forwarded(
    bars, plan, as_input, make_tiny, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.zarr"
    second = []

    def forward_while_held(pixels: torch.Tensor) -> torch.Tensor:
        if path.exists() and not second:  # the first writer holds the lock by now
            with pytest.raises(Locked) as caught:
                writer_of(path, forbidden, as_input, bars, plan).run()
            second.append(caught.value.exit_code)
        return model(as_input(pixels))

    model, forbidden = make_tiny(1), make_tiny(1)
    forbidden.forward = lambda pixels: pytest.fail("the second writer ran its model")
    assert writer_of(path, model, as_input, bars, plan, forward=forward_while_held).run().seal is not None
    assert second == [11]
