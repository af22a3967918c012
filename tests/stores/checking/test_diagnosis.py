"""The seal and the digests tell which of a damaged store's rows and digests is wrong, and whose rows are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.damage import damage, flip, places

from dgkd_stores import verify
from dgkd_stores.format.layout import json_file

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def path(recipe: Any, tmp_path: Path) -> Path:
    recipe(first_view=2).write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def test_swapped_chunks_are_told(path: Path) -> None:
    first, second = path / "logits" / "c.0.0.0", path / "logits" / "c.2.1.0"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    found = damage(path)
    assert [(one.file, one.samples) for one in found] == [("logits/c.0.0.0", (0, 16)), ("logits/c.2.1.0", (16, 32))]
    assert found[0].found.endswith(", that of view 4, samples 16 to 23")
    assert found[1].found.endswith(", that of view 2, samples 0 to 7")


def test_a_chunk_of_another_view(path: Path) -> None:
    shutil.copy(path / "logits" / "c.0.3.0", path / "logits" / "c.1.3.0")
    (one,) = damage(path)
    assert (one.view, one.samples) == (3, (48, 50)) and one.found.endswith("that of view 2, samples 48 to 49")


def test_a_chunk_of_digests_is_told_from_the_rows(path: Path) -> None:
    flip(path / "digest" / "c.1.0.0", 40)
    assert places(path, full=False) == [("array", "digest", None, None)]
    assert places(path) == [("array", "digest/c.1.0.0", 3, None)]
    flip(path / "logits" / "c.2.0.0", 0)
    flip(path / "logits" / "c.0.0.0", 0)
    assert places(path) == [
        ("array", "digest/c.1.0.0", 3, None),
        ("digest", "logits/c.0.0.0", 2, (0, 8)),
        ("digest", "logits/c.2.0.0", 4, (0, 8)),
    ]


def test_digests_and_rows_of_one_view(path: Path) -> None:
    flip(path / "digest" / "c.1.0.0", 40)  # of samples 8 to 15
    flip(path / "logits" / "c.1.0.0", 0)
    assert places(path) == [
        ("array", "digest/c.1.0.0", 3, None),
        ("digest", "logits/c.1.0.0", 3, (0, 8)),
    ]


def test_a_lost_chunk_of_digests_and_damaged_rows_under_it(path: Path) -> None:
    (path / "digest" / "c.1.0.0").unlink()
    assert places(path) == [("missing", "digest/c.1.0.0", 3, None)], "the rows prove themselves"
    flip(path / "logits" / "c.1.0.0", 0)
    assert places(path) == [("missing", "digest/c.1.0.0", 3, None)], "nothing tells which rows are wrong"


def test_digests_of_arrays_are_told_from_the_arrays(path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    group["attributes"]["dgkd_digests"]["probe"] = "0" * 64
    (path / "zarr.json").write_bytes(json_file(group))
    for full in (False, True):
        (one,) = damage(path, full=full)
        assert (one.kind, one.file, one.found) == ("metadata", "zarr.json", "another SHA-256 of probe")


def test_the_header_and_the_seal(path: Path) -> None:
    file = path / "zarr.json"
    group = json.loads(file.read_bytes())
    for keys, value in (
        (("dgkd", "licence"), "other"),
        (("dgkd_seal",), "0" * 64),
        (("dgkd", "guide", "accuracy"), "0.9"),
    ):
        changed = json.loads(json.dumps(group))
        place = changed["attributes"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        file.write_bytes(json_file(changed))
        for full in (False, True):
            assert places(path, full=full) == [("seal", "zarr.json", None, None)]


def test_labels_that_are_no_class_under_a_valid_seal(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for module in ("format.identity", "containers.container"):
            patch.setattr(f"dgkd_stores.{module}.labels_within", lambda labels, classes: True)

        class Labelled(recipe):
            @property
            def identity(self) -> Any:
                return replace(super().identity, label_N=np.full(50, 7))

        Labelled().write(tmp_path / "a.zarr")
    found = verify(tmp_path / "a.zarr")
    assert found.exit_code == 15 and [(one.kind, one.file) for one in found.damage] == [("foreign", "label/c.0")]


def test_rows_that_are_no_numbers(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_stores.coding.encodings.Float32.encode", lambda self, logits_BC: {"logits": logits_BC})
        small = recipe()
        logits = small.logits
        small.logits = lambda view: logits(view) * (float("inf") if view == 1 else 1)
        small.write(tmp_path / "a.zarr")
    found = places(tmp_path / "a.zarr")
    assert found[0] == ("not-finite", "logits/c.1.0.0", 1, (0, 16)) and len(found) == 4
