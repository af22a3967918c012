"""Dumps in `topk`: what they keep is the guide's, on any device; ties, what is no number, and refusals."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from support.given_logits import Program, writer_of
from support.guide_writers import narrow, network, refused
from torch import nn

from dgkd_cache.dump import encoding_error
from dgkd_cache.dump.recompute import compare_rows
from dgkd_cache.dump.repair import restore_lost
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import Interrupted, InvalidInput
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks.repair import settings_of
from dgkd_stores import ChunkSlot, Encoding, GuideStore, StoreRepair, get_encoding, verify

TWO = {"encoding": "topk", "topk": 2}


def files_of(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def of_classes(k: int, classes: int, *temperatures: str) -> Encoding:
    return get_encoding("topk").with_settings({"k": k, "temperatures": list(temperatures)}, classes)


def test_a_dump_is_the_guide(bars, plan, as_input, dump: Callable[..., Path], tmp_path: Path) -> None:
    """At each temperature the two largest classes have their probabilities, and the other two together theirs."""
    model = narrow()
    path = dump(tmp_path / "teacher.zarr", model, **TWO, temperature=2.0, topk_temperatures=(0.5, 1))
    assert verify(path, full=True).exit_code == 0
    with GuideStore.open(path) as store:
        settings = {"k": 2, "temperatures": ["2", "0.5", "1"]}
        assert (store.header.version, dict(store.header.encoding_settings)) == (2, settings)
        assert store.header.row_bytes == 2 * 4 + 3 * 4
        views = ViewRenderer(plan, bars.train)
        with torch.no_grad():
            exact_NC = model(as_input(views.pixels([2] * 100, range(100)))).double()
            tests = model(as_input(bars.test.pixels_NIHW))
        stored = store.gather_stored(np.full(100, 2), np.arange(100))
        for temperature in (2.0, 0.5, 1.0):
            found_NC = torch.from_numpy(store.encoding.at(temperature).decode(stored)).double() * 2 / temperature
            p_NC, q_NC = (exact_NC / temperature).softmax(1), found_NC.softmax(1)
            order_NC = exact_NC.argsort(1, descending=True)
            p_NC, q_NC = p_NC.gather(1, order_NC), q_NC.gather(1, order_NC)
            torch.testing.assert_close(q_NC[:, :2], p_NC[:, :2], atol=2e-3, rtol=0)
            even_N = p_NC[:, 2:].mean(1)
            torch.testing.assert_close(q_NC[:, 2:], torch.stack([even_N, even_N], 1), atol=2e-3, rtol=0)
        right = int((tests.argmax(1).numpy() == bars.test.labels_N).sum())
        assert float(store.header.guide.accuracy) == right / 40
        assert settings_of(store.header).topk_temperatures == (0.5, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.floats(-30, 30, width=16) | st.sampled_from([0.0, -0.0, 1.0]), min_size=7, max_size=7),
        min_size=1,
        max_size=5,
    ),
    k=st.integers(1, 6),
)
def test_rows_are_condensed_on_the_device_as_without_torch(rows: list[list[float]], k: int) -> None:
    held_as, logits_BC = of_classes(k, 7, "4", "0.5", "1"), np.array(rows, np.float32)
    expected, found = held_as.condense(logits_BC), held_as.project(torch.from_numpy(logits_BC)).numpy()
    assert (found[:, : 2 * k] == expected[:, : 2 * k]).all()
    np.testing.assert_allclose(found[:, 2 * k :], expected[:, 2 * k :], rtol=2**-18, atol=2**-18)
    half = held_as.project(torch.from_numpy(logits_BC).half()).numpy()
    assert half.dtype == np.float32 and (half == found).all()


def test_many_classes_are_condensed_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    logits_BC = np.random.default_rng(0).normal(0, 2, (6, 70_000)).round(2).astype(np.float32)
    held_as = of_classes(100, 70_000, "1")
    expected, found = held_as.condense(logits_BC), held_as.project(torch.from_numpy(logits_BC)).numpy()
    assert (found[:, :200] == expected[:, :200]).all() and found[:, :100].max() > 2**16
    np.testing.assert_allclose(found[:, 200:], expected[:, 200:], rtol=2**-18)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_with_its_sample(write, tmp_path: Path, value: float) -> None:
    """Minus infinity among the logits that are left out would vanish in the tail."""

    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits_BC = self.body(images)
            dark_B = images.flatten(1).sum(1) == images.flatten(1).sum(1).min()
            return torch.where(dark_B[:, None] & (logits_BC == logits_BC.amin(1, keepdim=True)), value, logits_BC)

    words = r"a guide gave logits that are no numbers \(.*sample.*\): expected finite logits"
    refused(write(Broken().eval(), **TWO), tmp_path, words)


def test_logits_that_half_precision_cannot_hold_are_refused_with_their_sample(write, tmp_path: Path) -> None:
    model = network()
    words = r"logits too large for topk \(.*\): expected at most 65504 in size"
    refused(write(model, lambda pixels: model(pixels / 255) * 1e7, **TWO), tmp_path, words)


@pytest.mark.parametrize("k", [4, 1000])
def test_as_many_logits_as_classes_are_refused_before_the_model_is_called(write, k: int) -> None:
    words = f"guide 'guide': rows of topk = {k} logits leave nothing out: expected topk from 1 to 3, for 4 classes"
    with pytest.raises(InvalidInput, match=words):
        write(network(), lambda pixels: pytest.fail("the model was run"), encoding="topk", topk=k)


def test_temperatures_that_do_not_go_together_are_refused(write) -> None:
    with pytest.raises(InvalidInput, match="temperatures .* cannot have together: expected at most 16, .* leave some"):
        write(network(), **TWO, topk_temperatures=tuple(range(2, 30)))
    with pytest.raises(InvalidInput, match="each within a factor of 2.20 of the rows' own, found 4, 1e-09, 1"):
        write(network(), **TWO, topk_temperatures=(1e-9,))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoding": "topk"}, "'topk' .*: expected an integer from 1 on, found None"),
        ({"encoding": "topk", "topk": 0}, "'topk' .*: expected an integer from 1 on, found 0"),
        ({"encoding": "topk", "topk": True}, "'topk' .*: expected an integer from 1 on, found True"),
        ({"topk": 3}, 'expected nothing, for another encoding, found 3 .*; write encoding="topk"'),
        ({"topk_temperatures": (1,)}, "'topk_temperatures' .*: expected nothing, for another encoding"),
        ({**TWO, "topk_temperatures": 1}, "'topk_temperatures' .*: expected temperatures in a tuple, found 1"),
        ({**TWO, "topk_temperatures": (0,)}, "'topk_temperatures' .*: expected a number > 0, found 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        DumpSettings(**settings)


def test_stopped_after_any_batch_and_run_again_is_byte_identical(write, tmp_path: Path) -> None:
    model = network()
    write(model, **TWO).run()
    path = tmp_path / "guides" / "guide.zarr"
    whole = files_of(path)
    for stop_at in (1, 3, 6):
        shutil.rmtree(path)
        calls = itertools.count(1)
        with pytest.raises(Interrupted):
            write(model, **TWO).run(stop=lambda at=stop_at, calls=calls: next(calls) == at)
        write(model, **TWO).run()
        assert files_of(path) == whole, stop_at


@pytest.mark.parametrize("lost", ["test_tail/c.0.0", "index/c.1.0.0", "tail/c.0.0.0"])
def test_what_is_lost_is_computed_again_byte_for_byte(write, lost: str) -> None:
    writer = write(network(), **TWO)
    path = writer.run().path
    whole = files_of(path)
    (path / lost).unlink()
    with StoreRepair(path) as repair:
        repair.mend()
        restore_lost(writer.draft, repair, progress=Silent(), stop=lambda: False)
        assert repair.finish() is not None
    assert files_of(path) == whole


@pytest.mark.parametrize("tests", [True, False])
def test_logits_of_a_program_are_kept_and_restored_alike(bars, plan, tmp_path: Path, tests: bool) -> None:
    program = Program(bars, plan)
    path = writer_of(tmp_path / "a.zarr", program, tests=tests, **TWO).run().path
    assert verify(path, full=True).exit_code == 0
    held_as = of_classes(2, 4, "4", "1")
    with GuideStore.open(path) as store:
        logits_BC = program.logits(1, np.arange(100)) / np.float32(4)
        expected, found = held_as.encode(logits_BC), store.gather_stored(np.full(100, 1), np.arange(100))
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
        if tests:
            test_MC = program.test_logits(np.arange(40))
            assert float(store.header.guide.accuracy) == float((test_MC.argmax(1) == bars.test.labels_N).mean())
            expected = held_as.encode(test_MC / np.float32(4))
            assert all(store.test_stored[name].tobytes() == expected[name].tobytes() for name in expected)
    whole = files_of(path)
    (path / "tail" / "c.1.0.0").unlink()
    (path / "test_index" / "zarr.json").unlink()
    assert writer_of(path, program, tests=tests, **TWO).repair().seal and files_of(path) == whole


def test_a_program_that_gives_no_numbers_is_told_its_sample(bars, plan, tmp_path: Path) -> None:
    program = Program(bars, plan)

    def broken(view: int, samples_B: np.ndarray) -> np.ndarray:
        logits_BC = program.logits(view, samples_B)
        logits_BC[samples_B == 70, 2] = -np.inf
        return logits_BC

    with pytest.raises(InvalidInput, match=r"logits that are no numbers \(view 0, sample 70.*probability of 0 has no"):
        writer_of(tmp_path / "a.zarr", program, logits=broken, **TWO).run()
    with pytest.raises(InvalidInput, match="guide 'given': rows of topk = 4 logits leave nothing out"):
        writer_of(tmp_path / "a.zarr", program, encoding="topk", topk=4)


@pytest.mark.parametrize("exact", [True, False])
def test_rows_are_compared_with_what_the_guide_gives_now(write, exact: bool) -> None:
    writer = write(network(), **TWO)
    path, draft = writer.run().path, writer.draft
    with GuideStore.open(path) as store:
        computed = list(draft.rows([ChunkSlot(1, 32, 64)], "recompute", "recomputation", Silent(), lambda: False))
        held_as = draft.logits.form.encoding
        found = compare_rows(store, computed, held_as=held_as, exact=exact)
        assert (found.rows, found.differing) == (32, 0) and found.largest < 1e-2
        for part in (slice(2, 4), slice(4, 6)):  # the logits, the tails
            off = [(slot, rows.copy()) for slot, rows in computed]
            off[0][1][:, part] += 2
            assert compare_rows(store, off, held_as=held_as, exact=exact).differing == 32


def test_a_dump_says_its_error_at_each_temperature_and_warns(write, tmp_path: Path, make_tiny) -> None:
    progress = create_autospec(Progress, instance=True)
    write(network(), **TWO, topk_temperatures=(2.0,)).run(progress=progress)
    said = [str(one.args[0]) for one in (*progress.finish.call_args_list, *progress.say.call_args_list) if one.args]
    said += [str(one.args[0]) for one in progress.warn.call_args_list]
    assert any("topk: KL" in line and "top-1 the same in" in line for line in said), said
    (others,) = [line for line in said if "rows of guide in topk: KL" in line]
    assert "nats at temperature 1" in others and "nats at temperature 2" in others
    rows_BC = np.array([[4, 0, 0, 0]] * 8, np.float32)  # what is left out is even: nothing is lost
    progress = create_autospec(Progress, instance=True)
    encoding_error.tell_of_other_temperatures("guide", rows_BC, of_classes(1, 4, "4", "1"), progress)
    progress.warn.assert_not_called()
    assert "KL " in progress.say.call_args.args[0]
    rows_BC[:, 1] = 2
    encoding_error.tell_of_other_temperatures("guide", rows_BC, of_classes(1, 4, "4", "8"), progress)
    (line,) = progress.warn.call_args.args
    p = np.exp(rows_BC[0].astype(np.float64) / 2) / np.exp(rows_BC[0].astype(np.float64) / 2).sum()
    rest = p[1:] / p[1:].sum()
    kl = p[1:].sum() * (math.log(3) + (rest * np.log(rest)).sum())
    assert f"KL {kl:.2g} nats at temperature 8" in line and "so is a larger topk" in line
    progress = create_autospec(Progress, instance=True)
    encoding_error.tell_of_other_temperatures("guide", rows_BC, get_encoding("float16"), progress)
    assert not progress.method_calls
