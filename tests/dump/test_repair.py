"""Lost parts of a damaged store are computed again: by the same guide the same bytes, by another one a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dgkd_cache.dump.repair import restore_lost
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import Silent
from dgkd_stores import StoreRepair, verify


@pytest.fixture
def whole(write: Callable[..., GuideWriter], make_tiny, tmp_path: Path) -> Path:
    """A finished store, and beside it a copy called `kept`."""
    path = write(make_tiny(1)).run().path
    shutil.copytree(path, tmp_path / "kept")
    return path


def files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def mend(path: Path, writer: GuideWriter) -> None:
    with StoreRepair(path) as store:
        restore_lost(writer.draft, store, progress=Silent(), stop=lambda: False)


@pytest.mark.parametrize("lost", ["logits/c.1.0.0", "label/c.0", "test_logits/c.0.0", "probe/c.0.0"])
def test_a_lost_file_comes_back_byte_for_byte(write, make_tiny, whole: Path, tmp_path: Path, lost: str) -> None:
    (whole / lost).unlink()
    mend(whole, write(make_tiny(1)))
    assert files(whole) == files(tmp_path / "kept")
    assert verify(whole, full=True).complete


def test_another_guide_mends_nothing(write, make_tiny, whole: Path) -> None:
    (whole / "logits" / "c.1.0.0").unlink()
    before = files(whole)
    with pytest.raises(Mismatch, match="holds the logits of another model") as caught:
        mend(whole, write(make_tiny(2)))
    assert caught.value.exit_code == 13
    assert files(whole) == before
