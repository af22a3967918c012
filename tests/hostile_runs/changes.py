"""Changes to one file: what disks, editors and programs do to content, and what else may stand in a file's place."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from support.mutations import as_json, mutate, mutate_text

__all__ = ["CONTENT", "PLACES", "Change", "content_changes"]

Change = Callable[[Path, Path, random.Random], None]
"""Changes the file at a path; the second path is a folder outside the workspace, for what links point at."""

SPARSE = 2 * 2**30
BRACKETS = 100_000

HUGE = ["1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "1" + "0" * 400, "1e-999", "-0", "0x10", "1_000"]


def bits(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One bit flipped, anywhere."""
    return flipped(data, chance.randrange(len(data)), chance)


def bits_of_the_head(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One bit flipped in what comes first, such as a header of lengths and names."""
    return flipped(data, chance.randrange(min(len(data), 64)), chance)


def flipped(data: bytes, at: int, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The end is missing: a little of it or much."""
    return data[: chance.choice([len(data) - 1, len(data) // 2, chance.randrange(len(data)), 8, 1])]


def zeroed(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A part, up to the end or not, is zeros, as after a crash of the machine."""
    start = chance.randrange(len(data))
    stop = chance.choice([len(data), min(len(data), start + 512)])
    return data[:start] + bytes(stop - start) + data[stop:]


def longer(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Something is behind the end: zeros, the same once more, a byte."""
    return data + chance.choice([bytes(4096), data, b"x", b"\n\n", b"{}"])


def swapped(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The file of that name of another run."""
    return other


def text(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A piece cut, doubled or replaced."""
    return mutate_text(data, chance)


def structure(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One to three places of the JSON hold something else."""
    return as_json(mutate(json.loads(data), chance))


def doubled_keys(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A key twice: readers differ in which one they take."""
    value = json.loads(data)
    key = chance.choice(list(value))
    first = as_json({key: chance.choice([value[key], None, 0, "x"])})
    return first[:-1] + b", " + as_json(value)[1:]


def numbers(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A number that is none, or larger than any type of numbers."""
    value = json.loads(data)
    value[chance.choice(list(value))] = "\0number\0"
    return as_json(value).replace(b'"\\u0000number\\u0000"', chance.choice(HUGE).encode())


def surrogates(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Half a character, escaped or raw, in a key or a value."""
    value = json.loads(data)
    key = chance.choice(list(value))
    if chance.randrange(2):
        return as_json(value | {key: "\ud800"} if chance.randrange(2) else {**value, key + "\udfff": value[key]})
    return data.replace(b'": ', b'\xed\xa0\x80": ', 1)


def encoded(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Text in another encoding, or behind a byte order mark."""
    letters = data.decode()
    return chance.choice([letters.encode("utf-16"), letters.encode("utf-32"), b"\xef\xbb\xbf" + data, b"\x00" + data])


def lines(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A line of many is lost, doubled, moved, cut, or holds something else."""
    known = data.splitlines(keepends=True)
    at = chance.randrange(len(known))
    match chance.randrange(6):
        case 0:
            del known[at]
        case 1:
            known.insert(at, known[at])
        case 2:
            known.reverse()
        case 3:
            known[at] = known[at][: chance.randrange(len(known[at]))]
        case 4:
            known[at] = as_json(mutate(json.loads(known[at]), chance)) + b"\n"
        case 5:
            known[at] = numbers(known[at], other, chance) + b"\n"
    return b"".join(known)


def header(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The header of a safetensors file changed as JSON, under a length that fits."""
    length = int.from_bytes(data[:8], "little")
    how = chance.choice([structure, structure, structure, text, doubled_keys, numbers])
    changed = how(data[8 : 8 + length], other, chance)
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


def record(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The JSON within a safetensors header's metadata, such as a checkpoint's step, changed by itself."""
    length = int.from_bytes(data[:8], "little")
    known = json.loads(data[8 : 8 + length])
    metadata = known.get("__metadata__") or {"dgkd": "{}"}
    name = chance.choice(list(metadata))
    try:
        metadata[name] = json.dumps(mutate(json.loads(metadata[name]), chance))
    except ValueError:
        metadata[name] = mutate_text(metadata[name].encode(), chance).decode(errors="replace")
    changed = as_json(known | {"__metadata__": metadata})
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


def lying_length(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A header that says it is longer or shorter than it is, up to exbibytes."""
    length = int.from_bytes(data[:8], "little")
    said = chance.choice([0, 1, length - 1, length + 1, len(data), 2**31, 2**40, 2**63, 2**64 - 1])
    return said.to_bytes(8, "little") + data[8:]


def tensor(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Elements of tensors that are NaN, infinite or zero: no parser can tell."""
    start = 8 + int.from_bytes(data[:8], "little")
    at = start + 4 * chance.randrange((len(data) - start) // 4)
    return data[:at] + chance.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", bytes(4), b"\xff" * 4]) + data[at + 4 :]


ANY = [bits, bits_of_the_head, cut, zeroed, longer, swapped]
JSON = [structure, structure, text, doubled_keys, numbers, surrogates, encoded]
CONTENT: dict[str, list[Callable[[bytes, bytes, random.Random], bytes]]] = {
    ".json": ANY + JSON,
    ".jsonl": [*ANY, lines, lines, lines, text, encoded],
    ".safetensors": [*ANY, header, header, record, record, lying_length, tensor],
    ".toml": [*ANY, text, text, encoded],
    ".txt": [*ANY, text, text, encoded],
    ".lock": [*ANY, text, encoded],
}
"""Ways to change the content of a file, by its suffix; the second argument is a file of another run."""


def folder(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def full_folder(path: Path, outside: Path, chance: random.Random) -> None:
    folder(path, outside, chance)
    (path / "x").write_bytes(b"x")


def fifo(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path, outside: Path, chance: random.Random) -> None:
    """Endless zeros; where no device can be made, endless waiting."""
    path.unlink()
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(path)


def sockets(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path has 107 letters at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def link(path: Path, outside: Path, chance: random.Random) -> None:
    """To the very same content, elsewhere."""
    shutil.move(path, outside / "target")
    path.symlink_to(outside / "target")


def dangling_link(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(outside / "nothing")


def link_to_itself(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def link_to_a_device(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def hard_link(path: Path, outside: Path, chance: random.Random) -> None:
    os.link(path, outside / "target")


def sparse(path: Path, outside: Path, chance: random.Random) -> None:
    path.write_bytes(b"")
    os.truncate(path, SPARSE)


def grown(path: Path, outside: Path, chance: random.Random) -> None:
    """The content, and behind it 2 GiB of zeros."""
    os.truncate(path, SPARSE)


def brackets(path: Path, outside: Path, chance: random.Random) -> None:
    path.write_bytes(b"[" * BRACKETS)


def keys(path: Path, outside: Path, chance: random.Random) -> None:
    """Objects within one another, as deep."""
    path.write_bytes(b'{"a":' * BRACKETS)


def empty(path: Path, outside: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def unreadable(path: Path, outside: Path, chance: random.Random) -> None:
    """Without permission to read; the child is another user, where root's permission is not asked for."""
    path.chmod(0)


def missing(path: Path, outside: Path, chance: random.Random) -> None:
    path.unlink()


PLACES: dict[str, Change] = {
    one.__name__: one
    for one in (
        folder,
        full_folder,
        fifo,
        device,
        sockets,
        link,
        dangling_link,
        link_to_itself,
        link_to_a_device,
        hard_link,
        sparse,
        grown,
        brackets,
        keys,
        empty,
        unreadable,
        missing,
    )
}
"""Things that may stand in a file's place, whatever the file is."""


def content_changes(name: str) -> list[Callable[[bytes, bytes, random.Random], bytes]]:
    """The changes to the content of a file of that name."""
    return CONTENT.get(Path(name).suffix, [*ANY, text])
