"""A dump in `factored` is the guide, resumes in the same bytes, and is refused
for a model that does not end in a linear layer before anything is written.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.guide_writers import narrow, network, refused
from torch import nn

from dgkd_cache.dump.recompute import compare_rows
from dgkd_cache.dump.repair import restore_lost
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import Interrupted, InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import ChunkSlot, GuideStore, StoreRepair, verify


def files_of(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def test_a_dump_is_the_guide(bars, plan, as_input, dump: Callable[..., Path], tmp_path: Path) -> None:
    model = narrow()
    path = dump(tmp_path / "teacher.zarr", model, encoding="factored", temperature=2.0)
    assert verify(path, full=True).exit_code == 0
    with GuideStore.open(path) as store:
        assert (store.header.version, dict(store.header.encoding_settings)) == (2, {"width": 3})
        assert store.header.row_bytes == 6 and float(store.header.fidelity["kl"]) < 1e-6
        views = ViewRenderer(plan, bars.train)
        with torch.no_grad():
            exact = [model(as_input(views.pixels([view] * 100, range(100)))) / 2 for view in range(3)]
            tests = model(as_input(bars.test.pixels_NIHW)) / 2
        for view in range(3):
            rows = store.gather(np.full(100, view), np.arange(100))
            np.testing.assert_allclose(rows, exact[view], atol=2e-3)
        np.testing.assert_allclose(store.test_logits_MC, tests, atol=2e-3)
        right = int((tests.argmax(1).numpy() == bars.test.labels_N).sum())
        assert float(store.header.guide.accuracy) == right / 40


def test_stopped_after_any_batch_and_run_again_is_byte_identical(dump, write, tmp_path: Path) -> None:
    model = narrow()
    write(model, encoding="factored").run()
    path = tmp_path / "guides" / "guide.zarr"
    whole = files_of(path)
    for stop_at in range(1, 2 * 4 + 1):
        shutil.rmtree(path)
        calls = itertools.count(1)
        with pytest.raises(Interrupted):
            write(model, encoding="factored").run(stop=lambda at=stop_at, calls=calls: next(calls) == at)
        write(model, encoding="factored").run()
        assert files_of(path) == whole, stop_at


@pytest.mark.parametrize("last", [nn.Softplus(), nn.LogSoftmax(1)])
def test_a_head_that_is_not_linear_is_refused(write, tmp_path: Path, last: nn.Module) -> None:
    words = r"does not end in a linear layer.*found logits that are off by \S+% from those of its last linear layer"
    refused(write(narrow(last), encoding="factored"), tmp_path, words)


def test_a_wide_head_with_something_behind_it_is_refused_too(write, tmp_path: Path) -> None:
    """A row of as many coefficients as classes holds anything, but its coefficients are not those of the layer."""
    refused(write(network(nn.Softplus()), encoding="factored"), tmp_path, "does not end in a linear layer")
    assert write(network(), encoding="factored").run().seal


def test_a_head_that_is_not_called_is_told_by_its_weights(write, tmp_path: Path) -> None:
    class Functional(nn.Module):
        def __init__(self, last) -> None:
            super().__init__()
            self.body, self.last = narrow(), last

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            head = self.body[3]
            return self.last(nn.functional.linear(self.body[:3](images), head.weight, head.bias))

    refused(write(Functional(nn.Tanh()).eval(), encoding="factored"), tmp_path, "does not end in a linear layer")
    assert write(Functional(nn.Identity()).eval(), encoding="factored").run().seal


def test_a_model_without_a_linear_layer_is_refused_before_it_is_called(write, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten()).eval()
    with pytest.raises(
        InvalidInput, match="guide 'guide' does not end in a linear layer.*no linear layer of 4 outputs"
    ):
        write(model, lambda pixels: pytest.fail("the model was run"), encoding="factored")


def test_under_bf16_rows_are_those_of_the_model(dump, tmp_path: Path) -> None:
    path = dump(tmp_path / "teacher.zarr", narrow(), encoding="factored", precision="bf16")
    with GuideStore.open(path) as store:
        assert float(store.header.fidelity["kl"]) < 1e-4


@pytest.mark.parametrize("lost", ["basis/c.0.0", "bias/c.0", "test_logits/c.0.0", "logits/c.1.0.0"])
def test_what_is_lost_is_computed_again_byte_for_byte(write, tmp_path: Path, lost: str) -> None:
    writer = write(narrow(), encoding="factored")
    path = writer.run().path
    whole = files_of(path)
    (path / lost).unlink()
    with StoreRepair(path) as repair:
        repair.mend()
        restore_lost(writer.draft, repair, progress=Silent(), stop=lambda: False)
        assert repair.finish() is not None
    assert files_of(path) == whole


@pytest.mark.parametrize("exact", [True, False])
def test_rows_are_compared_with_what_the_guide_gives_now(write, exact: bool) -> None:
    writer = write(narrow(), encoding="factored")
    path, draft = writer.run().path, writer.draft
    slots = [ChunkSlot(1, 32, 64)]
    with GuideStore.open(path) as store:
        computed = list(draft.rows(slots, "recompute", "recomputation", Silent(), lambda: False))
        held_as = draft.logits.form.encoding
        found = compare_rows(store, computed, held_as=held_as, exact=exact)
        assert (found.rows, found.differing) == (32, 0) and found.largest < 1e-2
        off = [(slot, rows + np.float32(0.5)) for slot, rows in computed]
        assert compare_rows(store, off, held_as=held_as, exact=exact).differing == 32


def test_right_rows_are_counted_in_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = narrow()
    form = RowForm.of_guide(model, DumpSettings(encoding="factored"), classes=4, device=torch.device("cpu"), what="it")
    rows_NF = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    logits = rows_NF @ form.shared["basis"].T + form.shared["bias"]
    labels_N = np.random.default_rng(1).integers(0, 4, 50)
    monkeypatch.setattr("dgkd_cache.dump.row_form._EXPANDED", 4 * 7)
    assert form.correct(rows_NF, labels_N) == int((logits.argmax(1) == labels_N).sum())
