"""A table in a narrow terminal: columns go, cells break after commas, and no word is cut."""

from __future__ import annotations

import pytest

from dgkd_cli.columns import Step, fit, sections, terminal_width, wrapped

COLUMNS = {
    "run": ["teacher", "student"],
    "guides": ["-", "teacher,ta1,ta2"],
    "size": ["301 kB", "19 kB"],
}
STEPS = (Step("size"), Step("guides", width=12), Step("guides"))


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
    text = fit(COLUMNS, right=("size",), steps=STEPS, width=width)
    assert text.splitlines()[: len(lines)] == lines
    below = f"hidden at {width} columns: {', '.join(hidden)} (a wider terminal shows all)" if hidden else ""
    assert " ".join(text.split()).removeprefix(" ".join(" ".join(lines).split())).strip() == below


def test_a_step_for_a_column_that_is_not_there_is_none() -> None:
    assert fit({"run": ["teacher"]}, right=("size",), steps=STEPS, width=3) == "run\nteacher"


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert terminal_width() == 120


def test_a_wide_table_is_broken_between_words_of_its_widest_columns() -> None:
    assert wrapped(("a", "b"), [("x", "one two three"), ("y", "four")], 80).splitlines() == [
        "a  b",
        "x  one two three",
        "y  four",
    ]
    assert wrapped(("a", "b"), [("x", "one two three"), ("y", "four")], 10).splitlines() == [
        "a  b",
        "x  one two",
        "   three",
        "y  four",
    ]
    assert wrapped(("a",), [("a-word-that-is-long and more",)], 10) == "a\na-word-that-is-long\nand more"


def test_sections_have_a_name_and_value_a_line() -> None:
    parts = {"first": [("one", "1"), ("longer", "a b c")], "second": [("digest", "f" * 16)]}
    assert sections(parts, 80).splitlines() == [
        "first",
        "  one     1",
        "  longer  a b c",
        "second",
        f"  digest  {'f' * 16}",
    ]
    assert sections(parts, 22).splitlines()[-2:] == ["  digest", f"    {'f' * 16}"]
    assert sections({"t": [("n", "to be or not to be here")]}, 20).splitlines() == [
        "t",
        "  n  to be or not to",
        "     be here",
    ]
