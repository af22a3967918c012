"""Tables, JSON and numbers as a person reads them."""

from __future__ import annotations

import io

import pytest

from dgkd_cli.console import facts, print_json, table


def test_a_table_cuts_nothing() -> None:
    text = table(("model", "size"), [("a" * 60, "1 B"), ("b", "1.62 GB")], right=("size",))
    assert text.splitlines() == [
        "model" + " " * 57 + "   size",
        "a" * 60 + "      1 B",
        "b" + " " * 61 + "1.62 GB",
    ]
    assert facts([("a", "1"), ("long", "2")]) == "a     1\nlong  2"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x1b[31mé"})
    assert capsys.readouterr().out == '{\n  "name": "\\u001b[31m\\u00e9"\n}\n'
    with pytest.raises(ValueError):
        print_json(float("nan"))


def test_facts_on_a_terminal_go_on_below_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    chain = " -> ".join(f"ta{number} (resnet{number})" for number in range(9))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout", Terminal())
    lines = facts([("data set", "digits"), ("chain", chain)]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "data set  digits"
    assert lines[1].startswith("chain     ta0 (resnet0)") and lines[2].startswith(" " * 10)
    assert " ".join(lines[1:]).split() == ["chain", *chain.split()]
