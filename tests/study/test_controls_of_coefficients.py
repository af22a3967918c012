"""Controls of a guide whose store has coefficients instead of logits."""

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
