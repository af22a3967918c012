"""Refusals by the system: no permission is taken for damage, and each way of a disk to be full is told as that."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.unprivileged import open_folder, refused_permission, unprivileged

from dgkd_stores import GuideStore, NoSpace, verify
from dgkd_stores.disk.files import read_small
from dgkd_stores.disk.refusals import full_disk


def test_a_limit_on_the_size_of_files_is_told_as_that(recipe: Any, tmp_path: Path, read_tree: Any) -> None:
    """A limit as `ulimit -f` sets it; Python ignores SIGXFSZ, so a write says EFBIG."""
    small, store = recipe(), tmp_path / "a.zarr"
    whole = small.write(tmp_path / "whole.zarr")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "nothing was refused"
        try:
            assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
            small.write(store)
        except NoSpace as error:
            said = f"{error.exit_code} {error}"
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    assert said.startswith("14 ") and "may not grow any further" in said and "`ulimit -f unlimited`" in said, said
    assert "found File too large" in said and "run the same command again" in said
    assert os.listdir(tmp_path) == ["whole.zarr"]
    assert small.write(store) == whole and read_tree(store) == read_tree(tmp_path / "whole.zarr")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_is_told_as_no_space(code: int) -> None:
    with pytest.raises(NoSpace, match="what was kept") as caught, full_disk(Path("a"), left="what was kept"):
        raise OSError(code, os.strerror(code))
    assert (caught.value.exit_code, caught.value.found) == (14, os.strerror(code))


FILES = ["zarr.json", "logits/zarr.json", "logits/c.0.0.0", "digest/c.0.0.0", "label/c.0"]
# A folder of mode 444 tells its names and nothing of what they are.
BARRED = [("", 0o000), ("", 0o444), ("logits", 0o000), ("logits", 0o444), *((name, 0o000) for name in FILES)]
WAYS: dict[str, Callable[[Path], object]] = {
    "open and read": lambda path: GuideStore.open(path).gather([0], [0]),
    "verify": lambda path: verify(path, full=True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("barred", "mode"), BARRED)
def test_a_store_that_may_not_be_read(recipe: Any, barred: str, way: str, mode: int) -> None:
    with open_folder() as folder:
        path = folder / "a.zarr"
        recipe().write(path)
        (path / barred).chmod(mode)
        said = refused_permission(lambda: WAYS[way](path))
        assert (
            said.startswith("1 ")
            and "may not be read: expected permission to read it, found Permission denied to user" in said
        )
        assert f"chmod a+rX {path / barred}`".replace("/`", "`") in said or "chmod u+rX" in said
        (path / barred).chmod(0o755)
        assert verify(path, full=True).damage == ()


def test_a_small_file_that_may_not_be_read() -> None:
    with open_folder() as folder:
        (folder / "card.json").write_text("{}")
        (folder / "card.json").chmod(0o000)

        def read() -> str:
            try:
                read_small(folder / "card.json", limit=10)
            except PermissionError as error:
                return type(error).__name__
            return "read"

        assert unprivileged(read) == "NoPermission"
