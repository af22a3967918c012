"""The size of a store before it is written: what the files of a real one take, and what no store can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.guide_writers import narrow

from dgkd_cache.dump.sizes import SLACK_BYTES, check_store_bytes, draft_bytes, settings_of_width
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.errors import InvalidInput


@pytest.mark.parametrize("encoding", ["float32", "float16", "uint8", "factored"])
def test_a_draft_has_the_bytes_of_the_finished_files(
    write: Callable[..., GuideWriter], make_tiny, tmp_path: Path, encoding: str
) -> None:
    model = narrow() if encoding == "factored" else make_tiny(1)
    draft = write(model).draft
    planned = draft_bytes(draft.header, encoding, width=draft.width)  # of any encoding: the header is another's
    path = write(model, encoding=encoding).run().path
    found = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert 0 <= planned - found <= SLACK_BYTES


@pytest.mark.parametrize(("encoding", "row"), [("float32", 40), ("float16", 20), ("uint8", 10 + 8)])
def test_rows_are_counted_by_their_encoding(encoding: str, row: int) -> None:
    assert check_store_bytes(views=3, samples=100, classes=10, encoding=encoding) == 300 * row
    settings = settings_of_width("factored", 4)
    assert check_store_bytes(views=3, samples=100, classes=10, encoding="factored", settings=settings) == 300 * 8
    assert settings_of_width("float16", 4) == {}


def test_what_no_store_can_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="larger than a store may be: .*lower views.count") as caught:
        check_store_bytes(views=2**31 - 1, samples=2**40, classes=1000, encoding="float32")
    assert caught.value.exit_code == 2
