"""The error of an encoding: KL and agreement in float64, and in the header before the first row."""

from __future__ import annotations

import math
import re
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch

from dgkd_cache.dump import encoding_error
from dgkd_cache.dump.encoding_error import encoding_error_rows, measure_encoding_error
from dgkd_cache.errors import Interrupted
from dgkd_cache.progress import Progress
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, get_encoding


def test_the_encoding_error_is_that_of_the_exact_logits(bars, plan, as_input, make_tiny, dump, tmp_path) -> None:
    model = make_tiny(1)
    with GuideStore.open(dump(tmp_path / "half.zarr", model, encoding="float16")) as store:
        fidelity = store.header.fidelity
    with torch.no_grad():
        exact = model(as_input(ViewRenderer(plan, bars.train).pixels([0] * 100, range(100)))).double() / 4
    stored = exact.half().double()
    kl = torch.nn.functional.kl_div(stored.log_softmax(1), exact.log_softmax(1), reduction="batchmean", log_target=True)
    assert fidelity["rows"] == 100 and float(fidelity["top1"]) >= 0.99
    assert float(fidelity["kl"]) == pytest.approx(float(kl), abs=2e-9) and float(fidelity["kl"]) < 1e-6
    with GuideStore.open(dump(tmp_path / "full.zarr", model, encoding="float32")) as store:
        assert dict(store.header.fidelity) == {"kl": "0", "top1": "1", "rows": 100}


def test_the_encoding_error_of_uint8_is_in_the_header_before_the_first_row(
    bars, plan, as_input, make_tiny, write, tmp_path: Path
) -> None:
    model = make_tiny(1)
    path = tmp_path / "guides" / "guide.zarr"
    with pytest.raises(Interrupted):
        write(model, encoding="uint8").run(stop=lambda: True)
    with GuideStore.open(path, allow_incomplete=True) as store:
        assert store.completeness().blocks_missing == store.completeness().blocks
        fidelity = dict(store.header.fidelity)
    with torch.no_grad():
        exact = model(as_input(ViewRenderer(plan, bars.train).pixels([0] * 100, range(100)))).double() / 4
    offset, span = exact.amin(1, keepdim=True), exact.amax(1, keepdim=True) - exact.amin(1, keepdim=True)
    stored = ((exact - offset) / span * 255).round() / 255 * span + offset
    kl = torch.nn.functional.kl_div(stored.log_softmax(1), exact.log_softmax(1), reduction="batchmean", log_target=True)
    same = (stored.argmax(1) == exact.argmax(1)).double().mean()
    assert fidelity["rows"] == 100 and float(fidelity["top1"]) == pytest.approx(float(same), abs=1e-6)
    assert float(fidelity["kl"]) == pytest.approx(float(kl), rel=0.01) and 0 < float(fidelity["kl"]) < 1e-5
    write(model, encoding="uint8").run()
    with GuideStore.open(path) as store:
        assert dict(store.header.fidelity) == fidelity


def test_the_error_of_rows_by_plain_arithmetic() -> None:
    exact_BC = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
    exact_BC[0] = [2.0, 2.0001, 0.0, -1.0]  # float16 holds both as 2: the first is taken, and was not the largest
    found = measure_encoding_error(exact_BC, get_encoding("float16"))
    kl, same = [], []
    for row, stored in zip(exact_BC.tolist(), exact_BC.astype(np.float16).tolist(), strict=True):
        p, q = (np.exp(np.array(one)) / sum(math.exp(value) for value in one) for one in (row, stored))
        kl.append(sum(p * np.log(p / q)))
        same.append(row.index(max(row)) == stored.index(max(stored)))
    assert float(found["kl"]) == pytest.approx(np.mean(kl), abs=1e-11) and float(found["kl"]) > 0
    assert (float(found["top1"]), found["rows"]) == (sum(same) / 50, 50) and sum(same) == 49
    assert measure_encoding_error(exact_BC, get_encoding("float32")) == {"kl": "0", "top1": "1", "rows": 50}
    assert [encoding_error_rows(samples) for samples in (1, 2048, 50_000)] == [1, 2048, 2048]


def test_many_classes_are_measured_in_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    exact_BC = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
    whole = measure_encoding_error(exact_BC, get_encoding("uint8"))
    monkeypatch.setattr(encoding_error, "_LOGITS", 4 * 7)
    assert measure_encoding_error(exact_BC, get_encoding("uint8")) == whole


def test_a_dump_says_its_error_and_warns_of_a_large_one(bars, plan, as_input, make_tiny, write) -> None:
    progress = create_autospec(Progress, instance=True)
    write(make_tiny(1), encoding="uint8").run(progress=progress)
    said = next(str(one.args[0]) for one in progress.finish.call_args_list if one.args)
    assert re.fullmatch(r"test accuracy .* %, uint8: KL \S+e-\d+ nats, top-1 the same in \S+ %", said), said
    progress.warn.assert_not_called()
    encoding_error.warn_of_error("teacher", "uint8", {"kl": "0.00099", "top1": "1"}, progress)
    progress.warn.assert_not_called()
    encoding_error.warn_of_error("teacher", "uint8", {"kl": "0.001", "top1": "0.875"}, progress)
    (line,) = progress.warn.call_args.args
    assert "teacher in uint8 are 0.001 nats" in line and "87.5 %" in line
