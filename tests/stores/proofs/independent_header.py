"""A store's header and seal for the second reader, and the arrays that they tell of; from stores/FORMAT.md alone."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

NOT_FINISHED, NOT_FOUND, DAMAGED, MISMATCH, UNSAFE = 3, 10, 12, 13, 15
DTYPES = {"float16": "<f2", "float32": "<f4", "uint8": "u1", "uint16": "<u2", "int32": "<i4", "int64": "<i8"}
HEX64 = re.compile("[0-9a-f]{64}")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,400})?")
Array = np.ndarray[Any, Any]


class Refused(Exception):
    """A store that is not to be used; `code` says why, as an exit code."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


def refuse(code: int, condition: object, why: str) -> None:
    if condition:
        raise Refused(code, why)


def integer(least: int, most: int) -> Callable[[Any], bool]:
    return lambda x: type(x) is int and least <= x <= most


def is_text(x: Any) -> bool:
    return type(x) is str


def is_hex(x: Any) -> bool:
    return is_text(x) and HEX64.fullmatch(x) is not None


def is_decimal(x: Any) -> bool:
    return is_text(x) and DECIMAL.fullmatch(x) is not None


def is_object(x: Any) -> bool:
    return type(x) is dict


RULES: dict[str, Any] = {
    "format": lambda x: x == "dgkd-guide-store",
    "version": integer(1, 2),
    "dataset": {
        "name": is_text,
        "split": is_text,
        "classes": lambda x: (
            type(x) is list and 1 <= len(x) <= 2**20 and all(map(is_text, x)) and all(x) and len({*x}) == len(x)
        ),
        "samples": integer(1, 2**31),
        "test_samples": integer(0, 2**31),
        "digest": is_hex,
        "sample_digest": lambda x: x in ("pixels", "file"),
    },
    "plan": is_object,
    "plan_digest": is_hex,
    "first_view": integer(0, 2**53),
    "views": integer(1, 2**20),
    "guide": {
        "name": lambda x: is_text(x) and re.fullmatch("[a-z0-9_-]{1,64}", x) is not None,
        "architecture": is_text,
        "parameters": integer(0, 2**53),
        "weights_digest": is_hex,
        "accuracy": lambda x: x == "" or is_decimal(x),
        "training": is_object,
        "guides": lambda x: is_object(x) and all(map(is_hex, x.values())),
    },
    "encoding": lambda x: x in ("float32", "float16", "uint8", "factored", "topk"),
    "fidelity": {"kl": is_decimal, "top1": is_decimal, "rows": integer(0, 2**31)},
    "temperature": lambda x: is_decimal(x) and float(x) > 0,
    "digest_rows": integer(1, 2**31),
    "probe": lambda x: x in ("sha256", "projection"),
    "compute": lambda x: is_object(x) and integer(1, 2**31)(x.get("batch")),
    "licence": is_text,
}


def fits(rule: Any, value: Any) -> bool:
    if callable(rule):
        return bool(rule(value))
    return is_object(value) and set(value) == set(rule) and all(fits(rule[key], value[key]) for key in rule)


def canonical(value: Any) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refused(UNSAFE, "a lone surrogate") from error


def checked_group(group: Any) -> tuple[dict[str, Any], str | None, dict[str, str]]:
    """Header, seal and the digests of arrays from the group's zarr.json."""
    attributes = group.get("attributes")
    refuse(UNSAFE, not is_object(attributes), "attributes")
    header = attributes.get("dgkd")
    refuse(UNSAFE, not is_object(header) or header.get("format") != "dgkd-guide-store", "format")
    refuse(MISMATCH, integer(3, 2**53)(header.get("version")), f"version {header.get('version')}, known are 1 and 2")
    refuse(UNSAFE, group != {"zarr_format": 3, "node_type": "group", "attributes": attributes}, "group")
    refuse(UNSAFE, type(group["zarr_format"]) is not int, "zarr_format")
    second = header.get("version") == 2
    refuse(UNSAFE, not fits({**RULES, "encoding_settings": is_object} if second else RULES, header), "header")
    refuse(UNSAFE, second != (header["encoding"] in ("factored", "topk")), "an encoding of another version")
    if second:
        classes, settings = len(header["dataset"]["classes"]), header["encoding_settings"]
        if header["encoding"] == "factored":
            rules = {"width": integer(1, classes)}
        else:
            rules = {"k": integer(1, classes - 1), "temperatures": lambda x: are_temperatures(x, header["temperature"])}
        refuse(UNSAFE, not fits(rules, settings), "encoding_settings")
    refuse(UNSAFE, hashlib.sha256(canonical(header["plan"])).hexdigest() != header["plan_digest"], "plan_digest")
    canonical(header)
    rows = header["views"] * header["dataset"]["samples"] * row_bytes(header)
    refuse(UNSAFE, row_bytes(header) > 2**24 or rows > 2**47, "size of the rows")
    specs = array_specs(header)
    others = set(specs) - set(row_names(header))
    size = sum(math.prod(specs[name][1]) * np.dtype(DTYPES[specs[name][0]]).itemsize for name in others)
    refuse(UNSAFE, size > 2**30, "size of the other arrays")
    if set(attributes) == {"dgkd"}:
        return header, None, {}
    refuse(UNSAFE, set(attributes) != {"dgkd", "dgkd_seal", "dgkd_digests"}, "attributes")
    seal, digests = attributes["dgkd_seal"], attributes["dgkd_digests"]
    refuse(UNSAFE, not is_hex(seal) or not fits(dict.fromkeys(others, is_hex), digests), "seal")
    return header, seal, digests


def are_temperatures(given: Any, own: str) -> bool:
    if type(given) is not list or not 1 <= len(given) <= 16 or not all(map(is_decimal, given)) or given[0] != own:
        return False
    numbers = [float(text) for text in given]
    near = all(2.0**-20 * numbers[0] <= number <= 2.0**20 * numbers[0] for number in numbers)
    return near and len({*numbers}) == len(numbers) and sorted(numbers[1:]) == numbers[1:]


def array_specs(header: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """dtype, shape and dimension names of every array, by name."""
    views, samples, tests = header["views"], header["dataset"]["samples"], header["dataset"]["test_samples"]
    classes, blocks = len(header["dataset"]["classes"]), -(-samples // header["digest_rows"])
    encoding = header["encoding"]
    dtype, size, third = encoding, classes, "class"
    if encoding == "factored":
        dtype, size, third = "float16", header["encoding_settings"]["width"], "component"
    if encoding == "topk":
        dtype, size, third = "float16", header["encoding_settings"]["k"], "entry"
    pixels, signs = ("uint8", (64, 32), ("pair", "digest_byte")), ("int32", (64, 64), ("pair", "probe_value"))
    specs: dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {
        "logits": (dtype, (views, samples, size), ("view", "sample", third)),
        "test_logits": (dtype, (tests, size), ("test_sample", third)),
        "digest": ("uint8", (views, blocks, 32), ("view", "block", "digest_byte")),
        "label": ("int64", (samples,), ("sample",)),
        "sample_digest": ("uint8", (samples, 16), ("sample", "sample_digest_byte")),
        "view_digest": ("uint8", (views, 32), ("view", "digest_byte")),
        "probe": pixels if header["probe"] == "sha256" else signs,
        "test_label": ("int64", (tests,), ("test_sample",)),
        "test_sample_digest": ("uint8", (tests, 16), ("test_sample", "sample_digest_byte")),
    }
    if encoding == "uint8":
        specs["scale"] = ("float32", (views, samples, 2), ("view", "sample", "affine"))
        specs["test_scale"] = ("float32", (tests, 2), ("test_sample", "affine"))
    if encoding == "topk":
        number, tails = "uint16" if classes <= 65536 else "int32", len(header["encoding_settings"]["temperatures"])
        specs["index"] = (number, (views, samples, size), ("view", "sample", "entry"))
        specs["test_index"] = (number, (tests, size), ("test_sample", "entry"))
        specs["tail"] = ("float32", (views, samples, tails), ("view", "sample", "temperature"))
        specs["test_tail"] = ("float32", (tests, tails), ("test_sample", "temperature"))
    if encoding == "factored":
        specs["basis"] = ("float32", (classes, size), ("class", "component"))
        specs["bias"] = ("float32", (classes,), ("class",))
    return specs


def row_names(header: Mapping[str, Any]) -> tuple[str, ...]:
    return {"uint8": ("logits", "scale"), "topk": ("index", "logits", "tail")}.get(header["encoding"], ("logits",))


def row_bytes(header: Mapping[str, Any]) -> int:
    classes = len(header["dataset"]["classes"])
    if header["encoding"] == "factored":
        return 2 * int(header["encoding_settings"]["width"])
    if header["encoding"] == "topk":
        k, tails = header["encoding_settings"]["k"], len(header["encoding_settings"]["temperatures"])
        return int(k) * (4 if classes <= 65536 else 6) + 4 * tails
    return {"float32": 4 * classes, "float16": 2 * classes, "uint8": classes + 8}[header["encoding"]]


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object without floats, NaN and keys given twice, not too deep."""
    refuse(UNSAFE, data.count(b"[") + data.count(b"{") > 2**16 or data.count(b",") > 2**21, "JSON of too many parts")
    try:
        value = json.loads(data.decode(), object_pairs_hook=unique, parse_constant=no_number, parse_float=no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(UNSAFE, str(error)) from error
    refuse(UNSAFE, not is_object(value) or depth(value) > 32, "JSON")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def no_number(text: str) -> Any:
    raise ValueError(f"the number {text}")


def depth(value: Any) -> int:
    """Levels, as far as they matter."""
    level, levels = [value], 0
    while level and levels <= 32:
        levels += 1
        inside = (outer.values() if is_object(outer) else outer for outer in level if type(outer) in (dict, list))
        level = [inner for values in inside for inner in values]
    return levels
