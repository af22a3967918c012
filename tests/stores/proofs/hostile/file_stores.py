"""Things in a store's folder beside plain files in their places."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dgkd_stores import Damaged, UnsafeStore

from .corpus import enter, hostile

TERABYTE = 2**40


def link(store: Path, path: str, target: str) -> None:
    (store / path).unlink(missing_ok=True)
    (store / path).symlink_to(target)


def move_and_link(store: Path, path: str) -> None:
    """Moves a file outside and puts a link to it in its place."""
    shutil.move(store / path, store.parent / "outside")
    (store / path).symlink_to("../" * len(Path(path).parts) + "outside")


def put_instead(store: Path, path: str, make: Callable[[Path], None]) -> None:
    (store / path).unlink()
    make(store / path)


def resize(store: Path, path: str, size: int) -> None:
    os.truncate(store / path, size)


def touch(store: Path, path: str) -> None:
    (store / path).touch()


@hostile(UnsafeStore)
def link_for_a_folder_to_root(store: Path) -> None:
    """An absolute one."""
    shutil.rmtree(store / "digest")
    (store / "digest").symlink_to("/")


@hostile(None)
def hard_link_to_outside(store: Path) -> None:
    """Harmless: bytes are only read, proven like any, and writers replace a name and never what is behind it."""
    os.link(store / "logits" / "c.0.0.0", store.parent / "outside")
    os.link(store / "zarr.json", store.parent / "outside.json")


@hostile(UnsafeStore)
def socket_for_a_chunk(store: Path) -> None:
    """Neither file nor folder."""
    # A socket's path has about a hundred bytes.
    before = os.getcwd()
    os.chdir(store / "logits")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
    finally:
        os.chdir(before)


@hostile(UnsafeStore)
def device_for_a_chunk(store: Path) -> None:
    """Zeros without end; a pipe where nobody may make devices."""
    (store / "logits" / "c.0.0.0").unlink()
    try:
        os.mknod(store / "logits" / "c.0.0.0", 0o20666, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(store / "logits" / "c.0.0.0")


@hostile(UnsafeStore)
def device_for_the_metadata(store: Path) -> None:
    """The same where JSON is read; a folder where nobody may make devices."""
    (store / "zarr.json").unlink()
    try:
        os.mknod(store / "zarr.json", 0o20666, os.makedev(1, 5))
    except PermissionError:
        (store / "zarr.json").mkdir()


@hostile(UnsafeStore)
def file_for_an_array(store: Path) -> None:
    """A file called like an array."""
    shutil.rmtree(store / "label")
    (store / "label").write_bytes(b"")


@hostile(Damaged, says="no such file")
def chunk_that_is_gone(store: Path) -> None:
    """Zarr reads NaN there, and raises no error."""
    (store / "logits" / "c.1.1.0").unlink()


@hostile(UnsafeStore)
def thousands_of_stray_files(store: Path) -> None:
    """A listing without end."""
    for number in range(2000):
        (store / f"stray-{number}").touch()


@hostile(UnsafeStore)
def thousands_of_stray_chunks(store: Path) -> None:
    """Names like chunks, beyond the grid."""
    for number in range(2, 2000):
        (store / "logits" / f"c.{number}.0.0").touch()


@hostile(UnsafeStore)
def name_that_is_no_utf8(store: Path) -> None:
    """A surrogate once Python has it; printing it fails."""
    (Path(os.fsdecode(os.fsencode(store) + b"/\xff\xfe"))).touch()


@hostile(UnsafeStore)
def chunk_name_with_a_newline(store: Path) -> None:
    """`$` in a pattern lets one newline pass."""
    (store / "logits" / "c.0.0.0").rename(store / "logits" / "c.0.0.0\n")


@hostile(UnsafeStore)
def program_beside_the_arrays(store: Path) -> None:
    """The folder is a package that a careless tool would import."""
    (store / "__init__.py").write_text("raise SystemExit('imported')\n")


LINKS = [
    ("link_for_a_whole_array", "label/c.0", "/etc/passwd", "link", "To a system file."),
    ("link_that_dangles", "logits/c.0.0.0", "../../not-there", "", "Nothing behind it yet."),
    ("link_to_itself", "zarr.json", "zarr.json", "", "Follows for ever."),
    ("link_to_its_parent", "logits/up", "..", "", "A tree without end."),
    ("link_within_the_store", "logits/c.1.0.0", "c.0.0.0", "", "One view twice, inside."),
]
"""Name, what becomes a link, what that points at, words of the refusal, what it tries."""

for name, path, target, says, tries in LINKS:
    enter(name, tries, partial(link, path=path, target=target), UnsafeStore, says=says)


MOVED = [
    ("link_for_a_chunk", "logits/c.0.0.0", "link", "To the very file, outside."),
    ("link_for_an_array_folder", "logits", "", "A whole array elsewhere."),
    ("link_for_the_metadata", "zarr.json", "link", "zarr.json elsewhere."),
    ("link_for_an_arrays_metadata", "logits/zarr.json", "link", "zarr.json of an array elsewhere."),
]
"""Name, what is moved out of the store and becomes a link, words of the refusal, what it tries."""

for name, path, says, tries in MOVED:
    enter(name, tries, partial(move_and_link, path=path), UnsafeStore, says=says)


INSTEAD = [
    ("pipe_for_the_metadata", "zarr.json", os.mkfifo, "Opening waits for ever."),
    ("pipe_for_an_arrays_metadata", "label/zarr.json", os.mkfifo, "The same, one level down."),
    ("pipe_for_a_chunk", "logits/c.0.0.0", os.mkfifo, "The same for rows."),
    ("folder_for_the_metadata", "zarr.json", os.mkdir, "A folder called zarr.json."),
    ("folder_for_a_chunk", "logits/c.0.0.0", os.mkdir, "A folder called like a chunk."),
]
"""Name, a file, what stands in its place, what that tries."""

for name, path, make, tries in INSTEAD:
    enter(name, tries, partial(put_instead, path=path, make=make), UnsafeStore)


SIZES = [
    ("chunk_of_a_terabyte", "raw", "logits/c.0.0.0", TERABYTE, "Sparse: it takes no room until it is read."),
    ("compressed_chunk_of_a_terabyte", "zstd", "logits/c.0.0.0", TERABYTE, "Larger than what it is to give."),
    ("labels_of_a_terabyte", "raw", "label/c.0", TERABYTE, "The same for what is read at once."),
    ("metadata_of_a_terabyte", "raw", "zarr.json", TERABYTE, "Sparse JSON."),
    ("metadata_of_an_array_of_a_terabyte", "raw", "label/zarr.json", TERABYTE, "Sparse JSON of an array."),
    ("chunk_that_is_empty", "raw", "logits/c.1.1.0", 0, "Nothing to map."),
    ("compressed_chunk_that_is_empty", "blosc", "logits/c.1.1.0", 0, "Nothing to decode."),
]
"""Name, store, a file of it, the size that it gets, what it tries."""

for name, base, path, size, tries in SIZES:
    refused, says = (UnsafeStore, "too large") if path.endswith("zarr.json") else (Damaged, "another size")
    enter(name, tries, partial(resize, path=path, size=size), refused, base=base, says=says)


STRAY = [
    ("chunk_of_a_huge_number", f"logits/c.{'9' * 200}.0.0", "A position beyond int64."),
    ("chunk_with_a_leading_zero", "logits/c.00.0.0", "A second name for a chunk."),
    ("chunk_in_other_digits", "logits/c.٠.0.0", "Python's int() takes Arabic-Indic digits."),
    ("name_with_a_newline", "logits\nError: all is well", "A message of two lines."),
    (
        "name_with_escape_codes",
        "\x1b[2J\x1b]0;owned\x07\u202etxt.exe[red]<b>",
        "Clears the screen and writes from right to left.",
    ),
]
"""Name, a file more, what it tries."""

for name, path, tries in STRAY:
    enter(name, tries, partial(touch, path=path), UnsafeStore)
