"""Controls of a guide whose store has coefficients, or its largest logits, instead of all logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.guide_writers import narrow

from dgkd_cache.progress import Silent
from dgkd_cache.study.controls import write_control
from dgkd_stores import GuideStore, verify


@pytest.mark.parametrize("control", ["shuffled", "smoothed-labels"])
def test_a_control_of_coefficients_holds_any_rows(dump, tmp_path: Path, control: str) -> None:
    """Rows made of labels lie in no basis of the guide, so the control has logits, in float16."""
    source = dump(tmp_path / "teacher.zarr", narrow(), encoding="factored", temperature=1.0)
    write_control(tmp_path / "c.zarr", control, source=source, plain=source, progress=Silent(), stop=lambda: False)
    assert verify(tmp_path / "c.zarr", full=True).exit_code == 0
    with GuideStore.open(tmp_path / "c.zarr") as store, GuideStore.open(source) as held:
        assert (store.header.encoding, store.header.version) == ("float16", 1)
        samples_N = np.arange(100)
        found, source_NC = (one.gather(np.full(100, 1), samples_N).astype(np.float32) for one in (store, held))
        if control == "shuffled":
            as_bytes = [sorted(map(bytes, each.astype(np.float16))) for each in (found, source_NC)]
            assert as_bytes[0] == as_bytes[1] and (found != source_NC).any()
        else:
            assert (found.argmax(axis=1) == held.label_N).all()


@pytest.mark.parametrize("control", ["shuffled", "shuffled-in-class", "smoothed-labels", "unaugmented"])
def test_a_control_of_the_largest_logits_has_their_tails(dump, tmp_path: Path, control: str) -> None:
    """Rows are taken as they are, for all temperatures: decoded, they would be right at that of the store alone."""
    settings = {"encoding": "topk", "topk": 2, "temperature": 4.0, "topk_temperatures": (2.0,)}
    source = dump(tmp_path / "teacher.zarr", narrow(), **settings)
    plain = dump(tmp_path / "plain.zarr", narrow(), name="teacher", views=range(5, 6), **settings)
    write_control(tmp_path / "c.zarr", control, source=source, plain=plain, progress=Silent(), stop=lambda: False)
    assert verify(tmp_path / "c.zarr", full=True).exit_code == 0
    with GuideStore.open(tmp_path / "c.zarr") as store, GuideStore.open(source) as held, GuideStore.open(plain) as one:
        assert store.header.encoding_settings == held.header.encoding_settings
        samples_N = np.arange(100)
        found, source_rows = (each.gather_stored(np.full(100, 1), samples_N) for each in (store, held))
        for name, tests in store.test_stored.items():
            assert tests.tobytes() == held.test_stored[name].tobytes()
        if control == "unaugmented":
            expected = one.gather_stored(np.full(100, 5), samples_N)
            assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
        elif control == "smoothed-labels":
            for temperature in (4.0, 2.0, 1.0):
                rows_NC = store.encoding.at(temperature).decode(found)
                assert (rows_NC.argmax(axis=1) == held.label_N).all()
                assert np.abs(np.sort(rows_NC, axis=1)[:, :3]).max() < 1e-6, "all classes but the label are alike"
        else:
            records = [
                sorted(b"".join(each[name][row].tobytes() for name in each) for row in range(100))
                for each in (found, source_rows)
            ]
            assert records[0] == records[1] and (found["tail"] != source_rows["tail"]).any()
