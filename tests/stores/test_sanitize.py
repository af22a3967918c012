"""Text that comes from a store cannot act on a terminal, in rich markup or on a page."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from dgkd_stores import clean
from dgkd_stores.sanitize import is_utf8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 猫", "plain é 猫"),
        ("a\x1b]0;title\x07b", "a?)0;title?b"),
        ("[red]x[/red]", "(red)x(/red)"),
        ("<script>", "(script)"),
        ("one\ntwo\r\u2028", "one?two??"),
        ("\u202eright to left", "?right to left"),
        ("x" * 500, "x" * 197 + "..."),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(alphabet=st.characters(), max_size=300))
def test_rich_prints_it_as_it_is(text: str) -> None:
    shown = clean(text)
    out = io.StringIO()
    Console(file=out, width=1000, emoji=False, highlight=False).print(shown, soft_wrap=True)
    assert out.getvalue() == shown + "\n"
    assert len(shown) <= 200 and all(letter.isprintable() or letter.isspace() for letter in shown)


@pytest.mark.parametrize("text", ["", "\U0001f600 é 猫 \0"])
def test_what_utf8_can_hold(text: str) -> None:
    assert is_utf8(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", os.fsdecode(b"a\xff")])
def test_what_utf8_cannot_hold(text: str) -> None:
    assert not is_utf8(text)
