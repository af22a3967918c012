"""Lines about a data set: records of one logger, of two levels, each a single line whatever a name holds."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dgkd_cache.datasets.remarks import say_indexing, say_source, warn


def test_the_source_is_information_and_the_rest_a_warning(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, logger="dgkd_cache.datasets"):
        say_source("mnist", Path("train"), tmp_path / "test")
        warn("3 files\nare no images\x1b[2J")
    source, warning = caplog.records
    assert (source.name, source.levelno) == ("dgkd_cache.datasets", logging.INFO)
    assert source.getMessage() == f"data set mnist: read from {tmp_path}/train and {tmp_path}/test"
    assert (warning.name, warning.levelno) == ("dgkd_cache.datasets", logging.WARNING)
    assert "\n" not in warning.getMessage() and "\x1b" not in warning.getMessage()
    assert warning.getMessage().startswith("3 files")


def test_progress_is_a_line_with_its_share(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="dgkd_cache.datasets"):
        say_indexing(Path("/data"), 320_000, 1_281_167)
    assert caplog.messages == ["/data: 320,000 of 1,281,167 files indexed (24 %)"]
