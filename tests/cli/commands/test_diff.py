"""`diff`: what two stores differ in, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr
from click.testing import Result

Command = Callable[..., Result]


def test_the_same_content_in_two_forms(command: Command, guides: Path) -> None:
    assert command("export", "ta1", "ta1.h5").exit_code == 0
    result = command("diff", "ta1", "ta1.h5")
    assert result.exit_code == 0 and result.stdout.startswith("the same content, seal ")


def test_two_guides(command: Command, guides: Path) -> None:
    result = command("diff", "teacher", "ta1", "--json")
    assert result.exit_code == 13
    value = json.loads(result.stdout)
    rows = [zarr.open_group(guides / f"{name}.zarr", mode="r")["logits"][:] for name in ("teacher", "ta1")]
    gap = 4 * np.abs(rows[0].astype(np.float64) - rows[1])
    assert [one["largest"] for one in value["views"]] == [float(gap[view].max()) for view in range(3)]
    assert [one["rows"] for one in value["views"]] == [int(gap[view].any(axis=1).sum()) for view in range(3)]
    other = rows[0].argmax(axis=2) != rows[1].argmax(axis=2)
    assert [one["top1"] for one in value["views"]] == other.sum(axis=1).tolist()
    assert value["header"]["guide.name"] == ['"teacher"', '"ta1"'] and not value["same"]
    shown = command("diff", "teacher", "ta1")
    assert shown.exit_code == 13 and f"{float(gap[2].max()):.3g}" in shown.stdout.splitlines()[-1]
    assert "3, of which 3 differ" in shown.stdout and "other top-1" in shown.stdout


def test_a_part_and_the_whole(command: Command, guides: Path) -> None:
    assert command("subset", "ta1", "--views", "1:2", "-o", "part.zarr").exit_code == 0
    result = command("diff", "ta1", "part.zarr")
    assert result.exit_code == 13
    words = " ".join(result.stdout.split())
    assert "only in the first 0:1, 2:3 only in the second none in both 1, of which 0 differ" in words
    assert "all but the rows the same" in words and "guide.training.derived_from missing, in the second" in words


def test_a_store_that_is_not_there(command: Command, guides: Path) -> None:
    assert command("diff", "ta1", "nothing.h5").exit_code == 10
