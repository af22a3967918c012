"""Changes to the content of a file of a run: what disks, editors and programs do to it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from support.mutations import as_json, mutate, mutate_text

__all__ = ["CHANGES", "names_of_changes"]

Change = Callable[[bytes, bytes, random.Random], bytes]
"""Gets the content, that of the file of the same name of another run, and the source of chance."""

NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "1" + "0" * 400, "1e-999", "-0", "0x10", "1_000"]
"""Numbers that are none, or larger than any type of numbers."""


def names_of_changes(file: str) -> list[str]:
    """The changes that fit a file of that name, in turn; what is there twice is drawn twice as often."""
    return BY_SUFFIX.get(Path(file).suffix, [*ANY, "text"])


def flip(data: bytes, among: int, chance: random.Random) -> bytes:
    """Flip one bit of the first so many bytes."""
    changed = bytearray(data)
    changed[chance.randrange(among)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zero(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A part, up to the end or not, is zeros, as after a crash of the machine."""
    start = chance.randrange(len(data))
    stop = chance.choice([len(data), min(len(data), start + 512)])
    return data[:start] + bytes(stop - start) + data[stop:]


def double_a_key(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A key twice: readers differ in which one they take."""
    value = json.loads(data)
    key = chance.choice(list(value))
    first = as_json({key: chance.choice([value[key], None, 0, "x"])})
    return first[:-1] + b", " + as_json(value)[1:]


def put_a_number(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A number that no JSON library writes."""
    value = json.loads(data)
    value[chance.choice(list(value))] = "\0number\0"
    return as_json(value).replace(b'"\\u0000number\\u0000"', chance.choice(NUMBERS).encode())


def put_a_surrogate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Half a character, escaped or raw, in a key or a value."""
    value = json.loads(data)
    key = chance.choice(list(value))
    if chance.randrange(2):
        return as_json(value | {key: "\ud800"} if chance.randrange(2) else {**value, key + "\udfff": value[key]})
    return data.replace(b'": ', b'\xed\xa0\x80": ', 1)


def encode(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Text in another encoding, or behind a byte order mark."""
    letters = data.decode()
    return chance.choice([letters.encode("utf-16"), letters.encode("utf-32"), b"\xef\xbb\xbf" + data, b"\x00" + data])


def change_lines(data: bytes, other: bytes, chance: random.Random) -> bytes:
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
            known[at] = put_a_number(known[at], other, chance) + b"\n"
    return b"".join(known)


def header_and_rest(data: bytes) -> tuple[bytes, bytes]:
    """The JSON of a safetensors file, and the tensors behind it."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def with_length(header: bytes, rest: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


def change_header(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The header of a safetensors file changed as JSON, under a length that fits."""
    header, rest = header_and_rest(data)
    how = chance.choice(["structure", "structure", "structure", "text", "doubled_keys", "numbers"])
    return with_length(CHANGES[how](header, other, chance), rest)


def change_record(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The JSON within a safetensors header's metadata, such as a checkpoint's step, changed by itself."""
    header, rest = header_and_rest(data)
    known = json.loads(header)
    metadata = known.get("__metadata__") or {"dgkd": "{}"}
    name = chance.choice(list(metadata))
    try:
        metadata[name] = json.dumps(mutate(json.loads(metadata[name]), chance))
    except ValueError:
        metadata[name] = mutate_text(metadata[name].encode(), chance).decode(errors="replace")
    return with_length(as_json(known | {"__metadata__": metadata}), rest)


def lie_about_the_length(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A header that says it is longer or shorter than it is, up to exbibytes."""
    length = int.from_bytes(data[:8], "little")
    said = chance.choice([0, 1, length - 1, length + 1, len(data), 2**31, 2**40, 2**63, 2**64 - 1])
    return said.to_bytes(8, "little") + data[8:]


def change_a_tensor(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Elements of tensors that are NaN, infinite or zero: no parser can tell."""
    start = 8 + int.from_bytes(data[:8], "little")
    at = start + 4 * chance.randrange((len(data) - start) // 4)
    return data[:at] + chance.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", bytes(4), b"\xff" * 4]) + data[at + 4 :]


CHANGES: dict[str, Change] = {
    "bits": lambda data, other, chance: flip(data, len(data), chance),
    # What comes first, such as a header of lengths and names.
    "bits_of_the_head": lambda data, other, chance: flip(data, min(len(data), 64), chance),
    # A little of the end is missing, or much.
    "cut": lambda data, other, chance: data[
        : chance.choice([len(data) - 1, len(data) // 2, chance.randrange(len(data)), 8, 1])
    ],
    "zeroed": zero,
    "longer": lambda data, other, chance: data + chance.choice([bytes(4096), data, b"x", b"\n\n", b"{}"]),
    "swapped": lambda data, other, chance: other,
    "text": lambda data, other, chance: mutate_text(data, chance),
    "structure": lambda data, other, chance: as_json(mutate(json.loads(data), chance)),
    "doubled_keys": double_a_key,
    "numbers": put_a_number,
    "surrogates": put_a_surrogate,
    "encoded": encode,
    "lines": change_lines,
    "header": change_header,
    "record": change_record,
    "lying_length": lie_about_the_length,
    "tensor": change_a_tensor,
}

ANY = ["bits", "bits_of_the_head", "cut", "zeroed", "longer", "swapped"]
BY_SUFFIX = {
    ".json": [*ANY, "structure", "structure", "text", "doubled_keys", "numbers", "surrogates", "encoded"],
    ".jsonl": [*ANY, "lines", "lines", "lines", "text", "encoded"],
    ".safetensors": [*ANY, "header", "header", "record", "record", "lying_length", "tensor"],
    ".toml": [*ANY, "text", "text", "encoded"],
    ".txt": [*ANY, "text", "text", "encoded"],
    ".lock": [*ANY, "text", "encoded"],
}
