"""Runs torchvision's downloads, reports failures, and compares files with what was published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from tarfile import TarError

from torchvision.datasets.utils import check_integrity

from dgkd_cache.errors import DataMissing, DataUnreadable, NoSpace
from dgkd_stores import is_no_space

__all__ = ["no_data", "require_published", "run_download"]


def run_download(name: str, download: Callable[[], object], *, folders: Sequence[Path], files: Sequence[str]) -> None:
    """Runs torchvision's download of `files`. Raises NoSpace on a full disk, else DataMissing."""
    try:
        download()
    except (OSError, RuntimeError, EOFError, HTTPException, TarError) as error:
        if isinstance(error, OSError) and is_no_space(error):
            raise NoSpace(f"the disk is full while downloading {name}", do="free some space and run again") from error
        ending = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataMissing(
            f"{name} is not on this machine and could not be downloaded",
            expected=f"{', '.join(files)} in {_either(folders)}",
            found=f"not all of them, and the download ended with {ending[:300]}",
            do="put the files there, or run again with a network",
        ) from error


def no_data(name: str, *, folders: Sequence[Path], files: Sequence[str]) -> DataMissing:
    """Returns the error for missing files that may not (or could not) be downloaded."""
    return DataMissing(
        f"{name} is not on this machine",
        expected=f"{', '.join(files)} in {_either(folders)}",
        found="not all of them",
        do="put the files there, or allow the download ([dataset] download = true)",
    )


def require_published(file: Path, md5: str) -> None:
    """Raises DataUnreadable unless the file has the published MD5."""
    if not check_integrity(str(file), md5):
        raise DataUnreadable(
            f"{file} is damaged or not the published file",
            expected=f"MD5 {md5}",
            found="another",
            do=f"delete {file.parent} and run again to download it, or put the published files there",
        )


def _either(folders: Sequence[Path]) -> str:
    return " or ".join(str(folder) for folder in folders)
