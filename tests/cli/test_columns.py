"""A table in a narrow terminal: columns go, cells break after commas, and no word is cut."""

from __future__ import annotations

import pytest

from dgkd_cli.columns import Step, fit, paragraph, terminal_width

COLUMNS = {
    "run": ["teacher", "student"],
    "guides": ["-", "teacher,ta1,ta2"],
    "size": ["301 kB", "19 kB"],
}
STEPS = (Step(column="size"), Step(column="guides", width=12), Step(column="guides"))


@pytest.mark.parametrize(
    ("width", "hidden", "lines"),
    [
        (
            32,
            [],
            [
                "run      guides             size",
                "teacher  -                301 kB",
                "student  teacher,ta1,ta2   19 kB",
            ],
        ),
        (31, ["size"], ["run      guides", "teacher  -", "student  teacher,ta1,ta2"]),
        (23, ["size"], ["run      guides", "teacher  -", "student  teacher,ta1,", "         ta2"]),
        (20, ["size", "guides"], ["run", "teacher", "student"]),
        (1, ["size", "guides"], ["run", "teacher", "student"]),
    ],
)
def test_steps_are_taken_until_it_fits(width: int, hidden: list[str], lines: list[str]) -> None:
    text, gone = fit(COLUMNS, right=("size",), steps=STEPS, width=width)
    assert (text.splitlines(), gone) == (lines, hidden)


def test_a_step_for_a_column_that_is_not_there_is_none() -> None:
    text, gone = fit({"run": ["teacher"]}, right=("size",), steps=STEPS, width=3)
    assert (text, gone) == ("run\nteacher", [])


def test_a_paragraph_breaks_between_words() -> None:
    text = "teacher: stale: training.lr was 0.1, is 0.05; " + "x" * 40
    assert paragraph(text, 30) == "teacher: stale: training.lr\n  was 0.1, is 0.05;\n  " + "x" * 40
    assert paragraph(text, 30).split() == text.split()


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert terminal_width() == 120
