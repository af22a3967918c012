"""What lies in a store's folder beside plain files in their places."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from dgkd_stores import Damaged, UnsafeStore

from .corpus import hostile

TERABYTE = 2**40


@hostile(UnsafeStore, says="link")
def link_for_a_chunk(store: Path) -> None:
    """To the very file, outside."""
    shutil.move(store / "logits" / "c.0.0.0", store.parent / "outside")
    (store / "logits" / "c.0.0.0").symlink_to("../../outside")


@hostile(UnsafeStore, says="link")
def link_for_a_whole_array(store: Path) -> None:
    """To a system file."""
    (store / "label" / "c.0").unlink()
    (store / "label" / "c.0").symlink_to("/etc/passwd")


@hostile(UnsafeStore)
def link_for_an_array_folder(store: Path) -> None:
    """A whole array elsewhere."""
    shutil.move(store / "logits", store.parent / "outside")
    (store / "logits").symlink_to("../outside")


@hostile(UnsafeStore)
def link_for_a_folder_to_root(store: Path) -> None:
    """An absolute one."""
    shutil.rmtree(store / "digest")
    (store / "digest").symlink_to("/")


@hostile(UnsafeStore, says="link")
def link_for_the_metadata(store: Path) -> None:
    """zarr.json elsewhere."""
    shutil.move(store / "zarr.json", store.parent / "outside.json")
    (store / "zarr.json").symlink_to("../outside.json")


@hostile(UnsafeStore, says="link")
def link_for_an_arrays_metadata(store: Path) -> None:
    """zarr.json of an array elsewhere."""
    shutil.move(store / "logits" / "zarr.json", store.parent / "outside.json")
    (store / "logits" / "zarr.json").symlink_to("../../outside.json")


@hostile(UnsafeStore)
def link_that_dangles(store: Path) -> None:
    """Nothing behind it yet."""
    (store / "logits" / "c.0.0.0").unlink()
    (store / "logits" / "c.0.0.0").symlink_to("../../not-there")


@hostile(UnsafeStore)
def link_to_itself(store: Path) -> None:
    """Follows for ever."""
    (store / "zarr.json").unlink()
    (store / "zarr.json").symlink_to("zarr.json")


@hostile(UnsafeStore)
def link_to_its_parent(store: Path) -> None:
    """A tree without end."""
    (store / "logits" / "up").symlink_to("..")


@hostile(UnsafeStore)
def link_within_the_store(store: Path) -> None:
    """One view twice, inside."""
    (store / "logits" / "c.1.0.0").unlink()
    (store / "logits" / "c.1.0.0").symlink_to("c.0.0.0")


@hostile(None)
def hard_link_to_outside(store: Path) -> None:
    """Harmless: bytes are only read, proven like any, and writers replace a name and never what is behind it."""
    os.link(store / "logits" / "c.0.0.0", store.parent / "outside")
    os.link(store / "zarr.json", store.parent / "outside.json")


@hostile(UnsafeStore)
def pipe_for_the_metadata(store: Path) -> None:
    """Opening waits for ever."""
    (store / "zarr.json").unlink()
    os.mkfifo(store / "zarr.json")


@hostile(UnsafeStore)
def pipe_for_an_arrays_metadata(store: Path) -> None:
    """The same, one level down."""
    (store / "label" / "zarr.json").unlink()
    os.mkfifo(store / "label" / "zarr.json")


@hostile(UnsafeStore)
def pipe_for_a_chunk(store: Path) -> None:
    """The same for rows."""
    (store / "logits" / "c.0.0.0").unlink()
    os.mkfifo(store / "logits" / "c.0.0.0")


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
def folder_for_the_metadata(store: Path) -> None:
    """A folder called zarr.json."""
    (store / "zarr.json").unlink()
    (store / "zarr.json").mkdir()


@hostile(UnsafeStore)
def folder_for_a_chunk(store: Path) -> None:
    """A folder called like a chunk."""
    (store / "logits" / "c.0.0.0").unlink()
    (store / "logits" / "c.0.0.0").mkdir()


@hostile(UnsafeStore)
def file_for_an_array(store: Path) -> None:
    """A file called like an array."""
    shutil.rmtree(store / "label")
    (store / "label").write_bytes(b"")


@hostile(Damaged, says="another size")
def chunk_of_a_terabyte(store: Path) -> None:
    """Sparse: it takes no room until it is read."""
    os.truncate(store / "logits" / "c.0.0.0", TERABYTE)


@hostile(Damaged, base="zstd", says="another size")
def compressed_chunk_of_a_terabyte(store: Path) -> None:
    """Larger than what it is to give."""
    os.truncate(store / "logits" / "c.0.0.0", TERABYTE)


@hostile(Damaged, says="another size")
def labels_of_a_terabyte(store: Path) -> None:
    """The same for what is read at once."""
    os.truncate(store / "label" / "c.0", TERABYTE)


@hostile(UnsafeStore, says="too large")
def metadata_of_a_terabyte(store: Path) -> None:
    """Sparse JSON."""
    os.truncate(store / "zarr.json", TERABYTE)


@hostile(UnsafeStore, says="too large")
def metadata_of_an_array_of_a_terabyte(store: Path) -> None:
    """Sparse JSON of an array."""
    os.truncate(store / "label" / "zarr.json", TERABYTE)


@hostile(Damaged, says="another size")
def chunk_that_is_empty(store: Path) -> None:
    """Nothing to map."""
    os.truncate(store / "logits" / "c.1.1.0", 0)


@hostile(Damaged, base="blosc", says="another size")
def compressed_chunk_that_is_empty(store: Path) -> None:
    """Nothing to decode."""
    os.truncate(store / "logits" / "c.1.1.0", 0)


@hostile(Damaged, says="no such file")
def chunk_that_is_gone(store: Path) -> None:
    """Zarr reads NaN there, without a word."""
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
def chunk_of_a_huge_number(store: Path) -> None:
    """A position beyond int64."""
    (store / "logits" / f"c.{'9' * 200}.0.0").touch()


@hostile(UnsafeStore)
def chunk_with_a_leading_zero(store: Path) -> None:
    """A second name for a chunk."""
    (store / "logits" / "c.00.0.0").touch()


@hostile(UnsafeStore)
def chunk_in_other_digits(store: Path) -> None:
    """Python's int() takes Arabic-Indic digits."""
    (store / "logits" / "c.٠.0.0").touch()


@hostile(UnsafeStore)
def name_with_a_newline(store: Path) -> None:
    """A message of two lines."""
    (store / "logits\nError: all is well").touch()


@hostile(UnsafeStore)
def name_with_escape_codes(store: Path) -> None:
    """Clears the screen and writes from right to left."""
    (store / "\x1b[2J\x1b]0;owned\x07\u202etxt.exe[red]<b>").touch()


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
    """What a careless tool would import."""
    (store / "__init__.py").write_text("raise SystemExit('imported')\n")
