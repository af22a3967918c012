"""Runs as a table, as CSV and in order, over entries that are written out here."""

from __future__ import annotations

import csv
import io

import pytest

from dgkd_cache.workspace.listing import RunEntry
from dgkd_cache.workspace.run_settings import GUIDANCE, RECIPE as RECIPES
from dgkd_cli.run_table import KEYS, long_table, short_table, sorted_by, to_csv

RECIPE = {"seed": 0, "epochs": 160, "lr": 0.1, "lr_steps": "0.5,0.75"}
GUIDED = {
    **{"method": "dgkd", "objective": "mean", "lambda": 0.5, "dropping": "bernoulli", "keep": 0.75, "drop": 1},
    **{"temperature": 4.0, "at_least_one": False, "live": False},
}


def entry(
    name: str, *guides: str, accuracy: str | None = "0.8889", state: str = "done", **settings: object
) -> RunEntry:
    own = {**RECIPE, **(GUIDED if guides else {"method": "scratch"}), **settings}
    return RunEntry(
        name=name,
        state=state,
        architecture="resnet20",
        parameters=269_434,
        accuracy=accuracy,
        guides=guides,
        settings=own,
        nbytes=1_100_000,
    )


CHAIN = [
    entry("teacher", accuracy="0.9083"),
    entry("ta1", "teacher"),
    entry("ta2", "teacher", "ta1", accuracy=None, state="begun"),
    RunEntry(name="student", state="missing", architecture="resnet8"),
]


def test_a_chain_fits_80_columns_and_says_what_all_runs_have() -> None:
    lines = short_table(CHAIN, width=80).splitlines()
    assert lines == [
        "all runs: seed 0, epochs 160",
        "all runs under guides: objective mean, lambda 0.5, dropping bernoulli 0.75",
        "run      state    architecture  guides       method   accuracy  parameters",
        "teacher  done     resnet20      -            scratch   90.83 %     269,434",
        "ta1      done     resnet20      teacher      dgkd      88.89 %     269,434",
        "ta2      begun    resnet20      teacher,ta1  dgkd            -     269,434",
        "student  missing  resnet8       -            -               -           -",
        "hidden at 80 columns: size (`ls --long` shows all)",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(width: int) -> None:
    seeds = [
        entry(f"student-seed{n}-keep0.{n}".replace(".", "-"), *("teacher", "ta1", "ta2"), seed=n) for n in range(9)
    ]
    long = [f"ta{n}" for n in range(1, 9)]
    runs = [*CHAIN, *seeds, entry("last", "teacher", *long, objective="paper", keep=0.5, lr=0.05, epochs=20)]
    lines = short_table(runs, width=width).splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).replace(",", " ").split()
    for run in runs:
        assert run.name in words and set(run.guides) <= set(words)


def test_what_differs_is_a_column_and_what_does_not_fit_is_named() -> None:
    runs = [entry("a", "teacher"), entry("b", "teacher", lr=0.05, keep=0.5)]
    wide = short_table(runs, width=200)
    header = wide.splitlines()[2].split()
    assert {"dropping", "lr"} <= {*header} and "seed" not in header and "bernoulli 0.5" in wide
    narrow = short_table(runs, width=60)
    assert "hidden at 60 columns: size, parameters" in narrow and "`ls --long` shows all" in " ".join(narrow.split())


def test_a_pruned_run_is_told_from_others_even_if_it_is_the_only_one() -> None:
    """A setting that all pruned runs have alike still tells them from the others."""
    pruned = {"pruning.sparsity": 0.9999999, "pruning.criterion": "guided", "pruning.steps": 100}
    lines = short_table([entry("a", "teacher"), entry("b", "teacher", **pruned)], width=200).splitlines()
    assert lines[-3].split() == [
        *("run", "state", "architecture", "guides", "method", "pruning.sparsity", "pruning.criterion", "accuracy"),
        *("parameters", "size"),
    ]
    assert [line.split()[5:7] for line in lines[-2:]] == [["-", "-"], ["0.9999999", "guided"]]
    assert "pruning" not in short_table([entry("a", "teacher")], width=200)
    sources = [entry(name, "teacher", **pruned, **{"pruning.source": name}) for name in ("a", "b")]
    assert "pruning.source" in short_table(sources, width=200).splitlines()[-3]


def test_one_run_has_all_its_settings_in_its_line() -> None:
    header = short_table([entry("a", "teacher")], width=200).splitlines()[0].split()
    assert {"objective", "lambda", "dropping", "seed", "epochs"} <= {*header}


def test_the_long_table_has_every_value() -> None:
    header = long_table(CHAIN, width=400).splitlines()[0].split()
    assert header == [
        *("run", "state", "architecture", "parameters", "guides", "live", "method", "objective", "lambda"),
        *("temperature", "dropping", "at_least_one", "seed", "epochs", "lr", "lr_steps", "accuracy", "size"),
    ]


def test_the_long_table_has_every_value_in_parts_of_80_columns() -> None:
    wide, parts = long_table(CHAIN, width=400), long_table(CHAIN, width=80).split("\n\n")
    assert len(parts) > 1
    assert max(len(line) for part in parts for line in part.splitlines()) <= 80
    tables = [[line.split() for line in part.splitlines()] for part in parts]
    assert {row[0] for table in tables for row in table} == {"run", *(run.name for run in CHAIN)}
    rows = [[first[0][0], *(cell for cells in first for cell in cells[1:])] for first in zip(*tables, strict=True)]
    assert rows == [line.split() for line in wide.splitlines()]


def test_every_setting_of_a_run_is_a_column() -> None:
    assert {*RECIPES, *GUIDANCE} <= {*KEYS} and len(KEYS) == len({*KEYS})


def test_csv_is_read_by_another_reader() -> None:
    text = to_csv(
        [*CHAIN, RunEntry(name="odd", state="refused", why='a "pipe",\nor so'), RunEntry(name="x", state="unknown")]
    )
    assert text.count("\r\n") == 6 and text.splitlines()[0] == ",".join(KEYS)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["run"] for row in rows] == ["teacher", "ta1", "ta2", "student", "odd"]
    assert all(key == key.lower() for key in rows[0])
    ta1 = rows[1]
    assert (float(ta1["accuracy"]), int(ta1["parameters"]), int(ta1["size"])) == (0.8889, 269434, 1_100_000)
    assert (ta1["dropping"], ta1["keep"], ta1["lr_steps"], ta1["live"]) == ("bernoulli", "0.75", "0.5,0.75", "false")
    assert (rows[2]["guides"], rows[2]["accuracy"]) == ("teacher,ta1", "")


@pytest.mark.parametrize(
    ("key", "descending", "order"),
    [
        ("accuracy", False, "ta1 teacher ta2 student"),
        ("accuracy", True, "teacher ta1 ta2 student"),
        ("run", False, "student ta1 ta2 teacher"),
        ("method", True, "teacher ta1 ta2 student"),
        ("lambda", False, "ta1 ta2 teacher student"),
    ],
)
def test_runs_without_a_value_come_last(key: str, descending: bool, order: str) -> None:
    assert [run.name for run in sorted_by(CHAIN, key, descending=descending)] == order.split()


def test_numbers_come_before_text_and_nothing_acts_on_a_terminal() -> None:
    runs = [
        entry("a", lr="fast\x1b[2J"),
        entry("b", lr=2),
        entry("c", lr=0.5),
        entry("d", lr=True),
        entry("e", lr=10**400),
    ]
    assert [run.name for run in sorted_by(runs, "lr", descending=False)] == ["c", "d", "b", "e", "a"]
    for text in (long_table(runs, width=600), short_table(runs, width=600), to_csv(runs)):
        assert "\x1b" not in text and "fast" in text
