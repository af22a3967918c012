"""The figures that docs/study tells are those of its records, computed here from the records by another way."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

STUDY = Path(__file__).parents[2] / "docs" / "study"
TOLD = (STUDY / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| ([^|]+) \| (\d+\.\d\d ± \d+\.\d\d) \| (\d+\.\d\d ± \d+\.\d\d) \|")
CELLS = {cell: (held, test) for cell, held, test in ROW.findall(TOLD)}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


RESULTS = load(STUDY / "sweep/results.json")


def of_cell(cell: str) -> list[dict[str, Any]]:
    """Returns the last epochs in the records of a cell's runs."""
    runs = RESULTS["variants"][cell]["runs"]
    return [load(STUDY / f"sweep/records/{run}.json")["epochs"][-1] for run in runs.values()]


def test_every_cell_of_the_sweep_is_told() -> None:
    assert set(CELLS) == set(RESULTS["variants"])
    assert len(CELLS) == 12


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_the_sweep(cell: str) -> None:
    epochs = of_cell(cell)
    assert len(epochs) == 3
    for key, told in zip(("validation_accuracy", "test_accuracy"), CELLS[cell], strict=True):
        percent = [100 * epoch[key] for epoch in epochs]
        assert told == f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f}"


def test_nothing_in_the_sweep_is_conclusive_and_two_cells_fail() -> None:
    assert all(comparison["adjusted_p"] >= 0.05 for comparison in RESULTS["comparisons"])
    lowest = {cell: min(epoch["test_accuracy"] for epoch in of_cell(cell)) for cell in CELLS}
    highest = {cell: max(epoch["test_accuracy"] for epoch in of_cell(cell)) for cell in CELLS}
    failed = {"objective paper", "lr 0.1"}
    worst = max(highest[cell] for cell in failed)
    assert worst + 0.15 < lowest["base"], "15 points or more below the base"
    assert worst < min(low for cell, low in lowest.items() if cell not in failed)
