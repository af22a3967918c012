"""Headers and seals that lie."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from stores.support.refusals import edit

from dgkd_stores import Damaged, Mismatch, UnsafeStore

from .corpus import edit_at, enter, hostile, reseal


def attribute(store: Path, keys: str | tuple[Any, ...], value: Any) -> None:
    """Set one place among the group's attributes; `...` takes it out."""
    place = f"attributes.{keys}" if isinstance(keys, str) else ("attributes", *keys)
    edit_at(store / "zarr.json", place, value)


def header(store: Path, keys: str, value: Any) -> None:
    attribute(store, f"dgkd.{keys}", value)


def sealed_header(store: Path, keys: str, value: Any) -> None:
    header(store, keys, value)
    reseal(store)


def write_bytes(store: Path, data: bytes) -> None:
    (store / "zarr.json").write_bytes(data)


def replace_text(store: Path, old: str, new: str) -> None:
    """Edit JSON as text, for what no JSON library writes."""
    text = (store / "zarr.json").read_text()
    assert old in text
    (store / "zarr.json").write_text(text.replace(old, new))


@hostile(UnsafeStore, says="dataset.classes: expected an integer from 1 to 1048576", cap_mib=700)
def more_classes_than_any(store: Path) -> None:
    """2^20 + 1 class names in 3 MiB."""
    header(store, "dataset.classes", [""] * (2**20 + 1))


@hostile(UnsafeStore, says="too many chunks|bytes in all rows|arrays beside|other chunks|shape")
def petabytes(store: Path) -> None:
    """Header and metadata agree on 2^31 samples of 2^20 views."""
    samples, views = 2**31, 2**20
    header(store, "dataset.samples", samples)
    header(store, "views", views)
    edit(store / "logits" / "zarr.json", "shape", value=[views, samples, 3])
    edit(store / "label" / "zarr.json", "shape", value=[samples])
    edit(store / "label" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[samples])


@hostile(UnsafeStore, says="arrays beside the rows")
def gigabytes_of_labels(store: Path) -> None:
    """Rows within bounds, and 50 GiB of labels and digests to be read into memory."""
    header(store, "dataset.samples", 2**31)
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 2**31, 3])


@hostile(UnsafeStore, says="too many chunks")
def chunks_without_number(store: Path) -> None:
    """More than 2^24 chunks, in a grid that would have to be allocated."""
    header(store, "dataset.samples", 2**26)
    header(store, "digest_rows", 1)
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 1, 3])


@hostile(Damaged, base="unfinished", says="label|sample_digest|probe", cap_mib=256, reserved_mib=400)
def a_grid_just_allowed_with_nothing_in_it(store: Path) -> None:
    """2^22 samples and 2^19 chunks, as header and all metadata say, of which no file exists."""
    samples = 2**22
    header(store, "dataset.samples", samples)
    edit(store / "logits" / "zarr.json", "shape", value=[2, samples, 3])
    edit(store / "digest" / "zarr.json", "shape", value=[2, samples // 8, 32])
    edit(store / "digest" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, samples // 8, 32])
    for name, shape in (("label", [samples]), ("sample_digest", [samples, 16])):
        edit(store / name / "zarr.json", "shape", value=shape)
        edit(store / name / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=shape)


@hostile(UnsafeStore, base="zstd", says="compressed chunks that are too large")
def a_compressed_chunk_of_a_gigabyte(store: Path) -> None:
    """The decoded array would lie in memory as a whole."""
    samples, classes = 2**12, 2**16
    header(store, "dataset.samples", samples)
    header(store, "dataset.classes", [f"x{one}" for one in range(classes)])
    edit(store / "logits" / "zarr.json", "shape", value=[2, samples, classes])
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, samples, classes])


@hostile(UnsafeStore, says="other chunks")
def chunks_across_digests(store: Path) -> None:
    """A chunk that ends within a block."""
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", 1, value=12)


@hostile(UnsafeStore, says="seal")
def seal_too_short(store: Path) -> None:
    """A prefix of the right seal."""
    seal = json.loads((store / "zarr.json").read_bytes())["attributes"]["dgkd_seal"]
    attribute(store, "dgkd_seal", seal[:63])


@hostile(UnsafeStore, says="seal")
def seal_in_upper_case(store: Path) -> None:
    """The right seal in another spelling: two names for one store."""
    seal = json.loads((store / "zarr.json").read_bytes())["attributes"]["dgkd_seal"]
    attribute(store, "dgkd_seal", seal.upper())


@hostile(Damaged, says="seal")
def seal_of_another_store(store: Path) -> None:
    """64 digits that fit nothing."""
    attribute(store, "dgkd_seal", "0" * 64)


@hostile(Mismatch, says="newer guide store: expected .* version 1 or 2, found version 3")
def newer_version(store: Path) -> None:
    """A format that this reader cannot know is named, not called unsafe."""
    header(store, "version", 3)


@hostile(Mismatch, says="found version 3")
def newer_version_with_more_attributes(store: Path) -> None:
    """A newer format may have other things beside its header."""
    header(store, "version", 3)
    attribute(store, "dgkd_index", {})


@hostile(UnsafeStore, says="nested too deep|recursion")
def json_nested(store: Path) -> None:
    """Deeper than any reader's stack, within the plan."""
    replace_text(store, '"naïve": "é"', '"naïve": ' + "[" * 1000 + "]" * 1000)


@hostile(UnsafeStore, cap_mib=300)
def json_of_one_long_text(store: Path) -> None:
    """One character that takes four bytes makes all of them do so."""
    replace_text(store, '"licence": ""', '"licence": "' + "x" * 15 * 2**20 + '\U0001f600", "more": 1')


@hostile(UnsafeStore, says="no proper JSON")
def json_in_utf16(store: Path) -> None:
    """Readers that guess the encoding read another text."""
    (store / "zarr.json").write_bytes((store / "zarr.json").read_text().encode("utf-16"))


@hostile(UnsafeStore, says="no proper JSON")
def json_after_a_byte_order_mark(store: Path) -> None:
    """RFC 8259 has none."""
    (store / "zarr.json").write_bytes(b"\xef\xbb\xbf" + (store / "zarr.json").read_bytes())


@hostile(UnsafeStore, says="no proper JSON")
def json_that_is_cut(store: Path) -> None:
    """Half of the file."""
    data = (store / "zarr.json").read_bytes()
    (store / "zarr.json").write_bytes(data[: len(data) // 2])


HEADERS = [
    ("classes_as_text", "dataset.classes", "abc", "", "Text has a length and items as well."),
    (
        "a_class_that_is_no_text",
        "dataset.classes",
        ["a", {"b": 1}, "c"],
        "dataset.classes.1",
        "A mapping where a name is shown.",
    ),
    ("samples_as_boolean", "dataset.samples", True, "dataset.samples", "In Python true is 1."),
    ("samples_as_float", "dataset.samples", 24.0, "", "24.0 equals 24 in Python and in JSON's own terms."),
    ("first_view_beyond_int64", "first_view", 2**63, "first_view", "2^63 overflows in numpy."),
    ("digests_of_no_rows", "digest_rows", 0, "digest_rows", "A division by zero."),
    (
        "digests_of_more_rows_than_there_are",
        "digest_rows",
        2**31,
        "",
        "One digest for all: chunks are no multiple of it.",
    ),
    ("temperature_zero", "temperature", "0", "temperature", "Rows are multiplied and divided by it."),
    (
        "temperature_below_any_double",
        "temperature",
        "0." + "0" * 380 + "1",
        "temperature",
        "Above zero as a decimal, zero as a double.",
    ),
    ("temperature_negative", "temperature", "-4", "temperature", "Turns every guide around."),
    ("temperature_nan", "temperature", "nan", "temperature", "No number."),
    ("temperature_with_an_exponent", "temperature", "1e999", "temperature", "Infinity, once it is a double."),
    ("temperature_in_other_digits", "temperature", "٤", "temperature", "Python's float() takes Arabic-Indic digits."),
    ("unknown_encoding", "encoding", "pickle", "unknown encoding", "Rows that are Python objects."),
    ("encoding_that_is_a_list", "encoding", ["float32"], "", "Not hashable where a name is looked up."),
    ("unknown_probe", "probe", "md5", "probe", "A probe whose shape nobody knows."),
    (
        "header_with_another_key",
        "__class__",
        "os.system",
        "keys",
        "What a careless reader would hand to a constructor.",
    ),
    ("compute_with_a_float", "compute.lr", 0.1, "", "A value that canonical JSON cannot hold: two readers, two seals."),
    ("batch_zero", "compute.batch", 0, "compute.batch", "The rows of one forward pass."),
    ("accuracy_of_words", "guide.accuracy", "the best", "accuracy", "Text where a table has a number."),
    (
        "lone_surrogate",
        "guide.training.note",
        "\ud800",
        "training|surrogate|canonical",
        "Text that has no UTF-8 form fails when it is printed or sealed.",
    ),
    ("version_that_is_true", "version", True, "version", "True == 1."),
    ("another_format", "format", "dgkd-guide-store ", "format", "A group of somebody else's."),
]
"""Name, place in the header, value there, words of the refusal, what it tries."""

for name, keys, value, says, tries in HEADERS:
    enter(name, tries, partial(header, keys=keys, value=value), UnsafeStore, says=says)


SEALED_HEADERS = [
    ("no_classes", "dataset.classes", [], "dataset.classes", "A row of nothing: sizes that divide by it."),
    (
        "other_number_of_classes",
        "dataset.classes",
        ["a", "b"],
        "",
        "A header that is sealed and that the arrays' metadata does not have.",
    ),
    (
        "two_classes_of_one_name",
        "dataset.classes",
        ["a", "b", "a"],
        "dataset.classes.2: expected a name",
        "Classes that nobody can tell apart.",
    ),
    (
        "a_class_without_a_name",
        "dataset.classes",
        ["a", "", "c"],
        "dataset.classes.1: expected a name",
        "A class that a table shows as nothing.",
    ),
    ("no_views", "views", 0, "views", "An empty store that is sealed."),
    (
        "probe_of_another_kind",
        "probe",
        "projection",
        "probe",
        "A header that is sealed, for an array of another shape.",
    ),
    ("plan_of_another_digest", "plan.seed", 1, "plan_digest", "Rows that claim views which they are not."),
    ("guide_named_parent", "guide.name", "..", "guide.name", "`..` where runs and stores are named after their guide."),
    (
        "guide_named_by_an_absolute_path",
        "guide.name",
        "/etc/passwd",
        "guide.name",
        "/etc/passwd where stores are named after their guide.",
    ),
    ("guide_name_with_a_newline", "guide.name", "ta1\n", "guide.name", "`$` in a pattern lets one newline pass."),
]
"""The same, under a seal that fits."""

for name, keys, value, says, tries in SEALED_HEADERS:
    enter(name, tries, partial(sealed_header, keys=keys, value=value), UnsafeStore, says=says)


ATTRIBUTES = [
    ("header_that_is_a_list", "dgkd", [], "", "No mapping at all."),
    ("header_that_is_null", "dgkd", None, "", "Nothing."),
    ("seal_that_is_a_number", "dgkd_seal", 10**63, "seal", "An integer of 64 digits."),
    ("seal_without_digests", "dgkd_digests", ..., "attributes", "Half of what seals."),
    ("digests_without_seal", "dgkd_seal", ..., "attributes", "The other half."),
    ("digests_that_are_a_list", "dgkd_digests", ["0" * 64] * 8, "digests", "Of the right length."),
    ("digest_of_the_wrong_length", "dgkd_digests.label", "0" * 40, "seal", "One array's digest cut."),
    ("digest_that_is_null", "dgkd_digests.label", None, "seal", "A type that has no length."),
    (
        "digest_missing",
        "dgkd_digests.label",
        ...,
        "other arrays under the seal",
        "An array that the seal does not cover.",
    ),
    (
        "digest_too_many",
        ("dgkd_digests", "../label"),
        "0" * 64,
        "other arrays under the seal",
        "A digest of an array outside the store.",
    ),
    (
        "digests_under_odd_names",
        ("dgkd_digests", "\x1b[2J\u202elabel"),
        "0" * 64,
        "other arrays under the seal",
        "Escape codes as an array's name.",
    ),
]
"""The same for attributes beside the header."""

for name, keys, value, says, tries in ATTRIBUTES:
    enter(name, tries, partial(attribute, keys=keys, value=value), UnsafeStore, says=says)


VIEWS = [
    ("a_key_given_twice", '2, "views": 3', "a key given twice", "One reader takes the first, another the last."),
    ("json_nan", "NaN", "the number NaN", "NaN is no JSON."),
    ("json_infinity", "-Infinity", "the number -Infinity", "Neither is -Infinity."),
    ("json_beyond_doubles", "1e400", "", "1e400 reads as infinity."),
    (
        "json_of_ten_thousand_digits",
        "9" * 10_000,
        "no proper JSON",
        "Turning them into an integer takes quadratic time.",
    ),
    ("json_of_four_thousand_digits", "9" * 4000, "views", "An integer that Python does read."),
]
"""Name, what stands for the number of views in JSON, words of the refusal, what it tries."""

for name, number, says, tries in VIEWS:
    change = partial(replace_text, old='"views": 2', new=f'"views": {number}')
    enter(name, tries, change, UnsafeStore, says=says)


BYTES = [
    ("json_nested_without_end", b"[" * 1_000_000, "no proper JSON|too many parts", "A million brackets."),
    ("json_of_empty_lists", b"[" + b"[]," * (5 * 2**20) + b"0]", "too many parts", "15 MiB that become 400."),
    ("json_of_commas", b"[" + b"0," * 2**22 + b"0]", "too many parts", "Four million numbers."),
    ("json_that_is_empty", b"", "no proper JSON", "No bytes."),
    ("json_that_is_a_number", b"3", "", "Proper JSON, and no metadata."),
]
"""Name, the bytes of zarr.json, words of the refusal, what it tries."""

for name, data, says, tries in BYTES:
    enter(name, tries, partial(write_bytes, data=data), UnsafeStore, says=says)
