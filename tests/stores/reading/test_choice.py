"""The reader that `auto` chooses, by real lines of /proc/self/mountinfo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dgkd_stores import GuideStore, InvalidInput
from dgkd_stores.reading import choice
from dgkd_stores.reading.choice import file_system, reason_to_copy

ROOT = "22 1 8:1 / / rw,relatime shared:1 - {kind} /dev/sda1 rw,errors=remount-ro"


def mounted(kind: str, point: Path | str, device: str = "0:9999") -> str:
    escaped = str(point).replace("\\", "\\134").replace(" ", "\\040")
    return "\n".join(
        (
            ROOT.format(kind="ext4"),
            f"99 22 {device} / {escaped} rw,relatime shared:7 - {kind} server:/x rw,vers=4.2",
            "",
        )
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "9p", "afs"])
def test_networks_and_clusters(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(monkeypatch, tmp_path, mounted(kind, tmp_path))
    assert kind in reason_to_copy(tmp_path)
    assert reason_to_copy(tmp_path, "mmap") == ""


@pytest.mark.parametrize(
    ("kind", "reader"),
    [
        ("fuse", "pread"),
        ("fuse.sshfs", "pread"),
        ("virtiofs", "pread"),
        ("fuseblk", "mmap"),
        ("ext4", "mmap"),
        ("xfs", "mmap"),
        ("btrfs", "mmap"),
        ("overlay", "mmap"),
        ("tmpfs", "mmap"),
        ("zfs", "mmap"),
    ],
)
def test_shared_folders_and_local_disks(
    kind: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(monkeypatch, tmp_path, mounted(kind, tmp_path))
    assert bool(reason_to_copy(tmp_path)) == (reader == "pread")
    assert reason_to_copy(tmp_path, "pread") == "reader is set"


def test_a_place_is_on_the_innermost_mount(tmp_path: Path) -> None:
    inner = tmp_path / "a b\\c"
    inner.mkdir()
    table = mounted("nfs4", inner)
    assert file_system(inner, mounts=table) == "nfs4"
    (inner / "x").mkdir()
    assert file_system(inner / "x", mounts=table) == "nfs4"
    (tmp_path / "a b\\cd").mkdir()
    assert file_system(tmp_path / "a b\\cd", mounts=table) == "ext4"
    (tmp_path / "link").symlink_to(inner)
    assert file_system(tmp_path / "link", mounts=table) == "nfs4"
    twice = table + f"100 22 0:9998 / {tmp_path} rw - ext4 /dev/sdb rw\n101 22 0:9997 / {tmp_path} rw - cifs //s/x rw\n"
    assert file_system(tmp_path, mounts=twice) == "cifs"


def test_the_number_of_the_device_decides(tmp_path: Path) -> None:
    """A container or an automounter may show a mount under another name than the place has."""
    device = os.stat(tmp_path).st_dev
    table = mounted("nfs4", "/elsewhere", f"{os.major(device)}:{os.minor(device)}")
    assert file_system(tmp_path, mounts=table) == "nfs4"


def test_what_cannot_be_told_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lines in ("", "no table of mounts\n\n - \n"):
        table(monkeypatch, tmp_path, lines)
        assert reason_to_copy(tmp_path) == "its file system is not known"
    monkeypatch.setattr(choice, "MOUNTS", tmp_path / "nothing")
    assert reason_to_copy(tmp_path) == "its file system is not known"


@pytest.mark.skipif(not choice.MOUNTS.exists(), reason="no table of mounts on this system")
def test_the_table_of_this_machine() -> None:
    assert file_system(Path("/proc/self"), mounts=choice.MOUNTS.read_text(encoding="utf-8")) == "proc"


def test_no_other_reader(recipe: type, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")
    with pytest.raises(InvalidInput, match="expected one of auto, mmap, pread, found 'fast'"):
        GuideStore.open(tmp_path / "a.zarr", reader="fast")


def table(monkeypatch: pytest.MonkeyPatch, folder: Path, lines: str) -> None:
    (folder / "mountinfo").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(choice, "MOUNTS", folder / "mountinfo")
