"""A small disk of its own: a tmpfs in a mount namespace that ends with its process. Linux, and only where allowed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def launcher(folder: Path) -> list[str]:
    """Returns the words before a command that calls `tmpfs`; skips, and says why, where nobody lets us mount."""
    reasons = []
    for words in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            tried = subprocess.run(
                [*words, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            pytest.skip(f"no disk was filled, because there is no {error.filename}")
        if tried.returncode == 0:
            return words
        reasons.append(f"{' '.join(words)}: {tried.stderr.strip()}")
    pytest.skip(f"no disk was filled, because no tmpfs can be mounted here: {'; '.join(reasons)}")


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """Mounts one on `folder`; yields a function that gives it other options, such as more room."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield lambda others: subprocess.run(["mount", "-o", f"remount,{others}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", str(folder)], check=True)
