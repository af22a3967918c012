"""Text of a store in Markdown and YAML: shown, and nothing else."""

from __future__ import annotations

import re

import pytest

from dgkd_stores.sharing.card_text import LICENCES, hub_licence, in_markdown, in_yaml, percent, size_category, size_text

HOSTILE = [
    "<script>alert(1)</script>",
    "[link](javascript:alert(1))",
    "![](https://evil.example/x.png)",
    "`; rm -rf ~; `",
    "a | b | c",
    "https://evil.example www.evil.example me@evil.example @user #1",
    "**bold** _it_ ~~x~~ $x$ :smile:",
    "line\nbreak\r\n# heading",
    '"quoted": &anchor *alias !!python/object',
    "\x1b[2J\u202egnp.exe",
    "---",
    "x" * 1000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_it_as_code(text: str) -> None:
    shown = in_markdown(text)
    assert re.fullmatch(r"`[^`|\n\r<>\x00-\x1f\u202e]+`", shown) and len(shown) <= 202


@pytest.mark.parametrize("text", HOSTILE)
def test_yaml_reads_it_as_one_text(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(f"key: {in_yaml(text)}\nlist: [{in_yaml(text)}]\n")
    assert isinstance(read["key"], str) and read["list"] == [read["key"]]


def test_nothing_is_a_dash() -> None:
    assert in_markdown("") == in_markdown("  ") == "-"


@pytest.mark.parametrize(
    ("licence", "lines"),
    [
        ("", ["license: unknown"]),
        ("Apache-2.0", ["license: apache-2.0"]),
        (" cc-by-4.0 ", ["license: cc-by-4.0"]),
        ("ask us: nicely", ["license: other", 'license_name: "ask us: nicely"']),
    ],
)
def test_licences_in_the_words_of_the_hub(licence: str, lines: list[str]) -> None:
    assert hub_licence(licence) == lines
    assert all(word == name.lower() for word, name in LICENCES.items())


@pytest.mark.parametrize(
    ("samples", "word"), [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (50_000, "10K<n<100K"), (2**31, "n>1B")]
)
def test_sizes_in_the_words_of_the_hub(samples: int, word: str) -> None:
    assert size_category(samples) == word


def test_numbers() -> None:
    assert [percent(share) for share in ("0.8812", "1", "0", "0.888889")] == ["88.12 %", "100 %", "0 %", "88.89 %"]
    sizes = {0: "0 B", 999: "999 B", 1000: "1 kB", 1_620_000_000: "1.62 GB", 999_999: "1 MB", 2**47: "141 TB"}
    assert {nbytes: size_text(nbytes) for nbytes in sizes} == sizes
