"""Findings: what they come to together, and their JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores.checking.damage import KINDS, Damage, Verification


@pytest.fixture
def found(recipe: Any) -> Verification:
    return Verification(
        path=Path("a.zarr"),
        container="zarr",
        codec="none",
        header=recipe().header,
        seal="0" * 64,
        full=True,
        blocks=21,
        blocks_written=21,
        blocks_checked=21,
        nbytes=1000,
        damage=(),
    )


ROWS = Damage(
    kind="digest", files=("logits/c.0.0.0", "scale/c.0.0.0"), arrays=("logits", "scale"), view=2, samples=(0, 8)
)
FOREIGN = Damage(kind="foreign", files=("evil.py",))


@pytest.mark.parametrize(
    ("damage", "seal", "code"),
    [
        ((), "0" * 64, 0),
        ((), None, 3),
        ((ROWS,), "0" * 64, 12),
        ((ROWS,), None, 12),
        ((ROWS, FOREIGN), "0" * 64, 15),
        ((FOREIGN,), None, 15),
    ],
)
def test_the_worst_of_it_is_the_exit_code(
    found: Verification, damage: tuple[Damage, ...], seal: str | None, code: int
) -> None:
    whole = replace(found, damage=damage, seal=seal)
    assert (whole.exit_code, whole.complete) == (code, seal is not None)


def test_every_kind_but_foreign_is_damage(found: Verification) -> None:
    codes = {kind: replace(found, damage=(Damage(kind=kind, files=("x",)),)).exit_code for kind in KINDS}
    assert codes == {kind: 15 if kind == "foreign" else 12 for kind in KINDS}


def test_files_as_they_are_shown() -> None:
    assert (ROWS.file, FOREIGN.file) == ("logits/c.0.0.0, scale/c.0.0.0", "evil.py")


def test_as_json(found: Verification) -> None:
    shown = json.loads(json.dumps(replace(found, damage=(ROWS,)).to_dict()))
    assert (shown["guide"], shown["views"], shown["bytes"], shown["complete"]) == ("ta1", 3, 1000, True)
    assert shown["damage"] == [
        {
            "kind": "digest",
            "files": ["logits/c.0.0.0", "scale/c.0.0.0"],
            "arrays": ["logits", "scale"],
            "view": 2,
            "samples": [0, 8],
            "expected": "",
            "found": "",
        }
    ]
