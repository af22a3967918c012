"""Headers and seals that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dgkd_stores import Damaged, Mismatch, UnsafeStore

from .corpus import edit, hostile, reseal


def header(store: Path, *keys: Any, value: Any) -> None:
    edit(store / "zarr.json", "attributes", "dgkd", *keys, value=value)


def attribute(store: Path, *keys: Any, value: Any) -> None:
    edit(store / "zarr.json", "attributes", *keys, value=value)


def replace_text(store: Path, old: str, new: str) -> None:
    """Edit JSON as text, for what no JSON library writes."""
    text = (store / "zarr.json").read_text()
    assert old in text
    (store / "zarr.json").write_text(text.replace(old, new))


@hostile(UnsafeStore, says="dataset.classes")
def no_classes(store: Path) -> None:
    """A row of nothing: sizes that divide by it."""
    header(store, "dataset", "classes", value=[])
    reseal(store)


@hostile(UnsafeStore, cap_mib=700)
def more_classes_than_any(store: Path) -> None:
    """2^20 + 1 class names in 3 MiB."""
    header(store, "dataset", "classes", value=[""] * (2**20 + 1))


@hostile(UnsafeStore)
def other_number_of_classes(store: Path) -> None:
    """A header that is sealed and that the arrays' metadata does not have."""
    header(store, "dataset", "classes", value=["a", "b"])
    reseal(store)


@hostile(UnsafeStore)
def classes_as_text(store: Path) -> None:
    """Text has a length and items as well."""
    header(store, "dataset", "classes", value="abc")


@hostile(UnsafeStore, says="dataset.classes.1")
def a_class_that_is_no_text(store: Path) -> None:
    """A mapping where a name is shown."""
    header(store, "dataset", "classes", value=["a", {"b": 1}, "c"])


@hostile(UnsafeStore, says="dataset.samples")
def samples_as_boolean(store: Path) -> None:
    """In Python true is 1."""
    header(store, "dataset", "samples", value=True)


@hostile(UnsafeStore)
def samples_as_float(store: Path) -> None:
    """24.0 equals 24 in Python and in JSON's own terms."""
    header(store, "dataset", "samples", value=24.0)


@hostile(UnsafeStore, says="too many chunks|bytes in all rows|arrays beside|other chunks|shape")
def petabytes(store: Path) -> None:
    """Header and metadata agree on 2^31 samples of 2^20 views."""
    samples, views = 2**31, 2**20
    header(store, "dataset", "samples", value=samples)
    header(store, "views", value=views)
    edit(store / "logits" / "zarr.json", "shape", value=[views, samples, 3])
    edit(store / "label" / "zarr.json", "shape", value=[samples])
    edit(store / "label" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[samples])


@hostile(UnsafeStore, says="arrays beside the rows")
def gigabytes_of_labels(store: Path) -> None:
    """Rows within bounds, and 50 GiB of labels and digests to be read into memory."""
    header(store, "dataset", "samples", value=2**31)
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 2**31, 3])


@hostile(UnsafeStore, says="too many chunks")
def chunks_without_number(store: Path) -> None:
    """More than 2^24 chunks, in a grid that would have to be allocated."""
    header(store, "dataset", "samples", value=2**26)
    header(store, "digest_rows", value=1)
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 1, 3])


@hostile(Damaged, base="unfinished", says="label|sample_digest|probe", cap_mib=256, reserved_mib=400)
def a_grid_just_allowed_with_nothing_in_it(store: Path) -> None:
    """2^22 samples and 2^19 chunks, as header and all metadata say, of which no file exists."""
    samples = 2**22
    header(store, "dataset", "samples", value=samples)
    edit(store / "logits" / "zarr.json", "shape", value=[2, samples, 3])
    edit(store / "digest" / "zarr.json", "shape", value=[2, samples // 8, 32])
    edit(store / "digest" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, samples // 8, 32])
    for name, shape in (("label", [samples]), ("sample_digest", [samples, 16])):
        edit(store / name / "zarr.json", "shape", value=shape)
        edit(store / name / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=shape)


@hostile(UnsafeStore, base="zstd", says="compressed chunks that are too large")
def a_compressed_chunk_of_a_gigabyte(store: Path) -> None:
    """What is decoded lies in memory as a whole."""
    samples, classes = 2**12, 2**16
    header(store, "dataset", "samples", value=samples)
    header(store, "dataset", "classes", value=["x"] * classes)
    edit(store / "logits" / "zarr.json", "shape", value=[2, samples, classes])
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, samples, classes])


@hostile(UnsafeStore, says="first_view")
def first_view_beyond_int64(store: Path) -> None:
    """2^63 overflows in numpy."""
    header(store, "first_view", value=2**63)


@hostile(UnsafeStore, says="views")
def no_views(store: Path) -> None:
    """An empty store that is sealed."""
    header(store, "views", value=0)
    reseal(store)


@hostile(UnsafeStore, says="digest_rows")
def digests_of_no_rows(store: Path) -> None:
    """A division by zero."""
    header(store, "digest_rows", value=0)


@hostile(UnsafeStore)
def digests_of_more_rows_than_there_are(store: Path) -> None:
    """One digest for all: chunks are no multiple of it."""
    header(store, "digest_rows", value=2**31)


@hostile(UnsafeStore, says="other chunks")
def chunks_across_digests(store: Path) -> None:
    """A chunk that ends within a block."""
    edit(store / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", 1, value=12)


@hostile(UnsafeStore, says="temperature")
def temperature_zero(store: Path) -> None:
    """Rows are multiplied and divided by it."""
    header(store, "temperature", value="0")


@hostile(UnsafeStore, says="temperature")
def temperature_below_any_double(store: Path) -> None:
    """Above zero as a decimal, zero as a double."""
    header(store, "temperature", value="0." + "0" * 380 + "1")


@hostile(UnsafeStore, says="temperature")
def temperature_negative(store: Path) -> None:
    """Turns every guide around."""
    header(store, "temperature", value="-4")


@hostile(UnsafeStore, says="temperature")
def temperature_nan(store: Path) -> None:
    """No number."""
    header(store, "temperature", value="nan")


@hostile(UnsafeStore, says="temperature")
def temperature_with_an_exponent(store: Path) -> None:
    """Infinity, once it is a double."""
    header(store, "temperature", value="1e999")


@hostile(UnsafeStore, says="temperature")
def temperature_in_other_digits(store: Path) -> None:
    """Python's float() takes Arabic-Indic digits."""
    header(store, "temperature", value="٤")


@hostile(UnsafeStore, says="unknown encoding")
def unknown_encoding(store: Path) -> None:
    """Rows that are Python objects."""
    header(store, "encoding", value="pickle")


@hostile(UnsafeStore)
def encoding_that_is_a_list(store: Path) -> None:
    """Not hashable where a name is looked up."""
    header(store, "encoding", value=["float32"])


@hostile(UnsafeStore, says="probe")
def unknown_probe(store: Path) -> None:
    """A probe whose shape nobody knows."""
    header(store, "probe", value="md5")


@hostile(UnsafeStore, says="probe")
def probe_of_another_kind(store: Path) -> None:
    """A header that is sealed, for an array of another shape."""
    header(store, "probe", value="projection")
    reseal(store)


@hostile(UnsafeStore, says="plan_digest")
def plan_of_another_digest(store: Path) -> None:
    """Rows that claim views which they are not."""
    header(store, "plan", "seed", value=1)
    reseal(store)


@hostile(UnsafeStore, says="guide.name")
def guide_named_parent(store: Path) -> None:
    """`..` where runs and stores are named after their guide."""
    header(store, "guide", "name", value="..")
    reseal(store)


@hostile(UnsafeStore, says="guide.name")
def guide_named_by_an_absolute_path(store: Path) -> None:
    """/etc/passwd where stores are named after their guide."""
    header(store, "guide", "name", value="/etc/passwd")
    reseal(store)


@hostile(UnsafeStore, says="guide.name")
def guide_name_with_a_newline(store: Path) -> None:
    """`$` in a pattern lets one newline pass."""
    header(store, "guide", "name", value="ta1\n")
    reseal(store)


@hostile(UnsafeStore, says="keys")
def header_with_another_key(store: Path) -> None:
    """What a careless reader would hand to a constructor."""
    header(store, "__class__", value="os.system")


@hostile(UnsafeStore)
def header_that_is_a_list(store: Path) -> None:
    """No mapping at all."""
    attribute(store, "dgkd", value=[])


@hostile(UnsafeStore)
def header_that_is_null(store: Path) -> None:
    """Nothing."""
    attribute(store, "dgkd", value=None)


@hostile(UnsafeStore)
def compute_with_a_float(store: Path) -> None:
    """A value that canonical JSON cannot hold: two readers, two seals."""
    header(store, "compute", "lr", value=0.1)


@hostile(UnsafeStore, says="compute.batch")
def batch_zero(store: Path) -> None:
    """The rows of one forward pass."""
    header(store, "compute", "batch", value=0)


@hostile(UnsafeStore, says="accuracy")
def accuracy_of_words(store: Path) -> None:
    """Text where a table has a number."""
    header(store, "guide", "accuracy", value="the best")


@hostile(UnsafeStore, says="training|surrogate|canonical")
def lone_surrogate(store: Path) -> None:
    """Text that has no UTF-8 form fails when it is printed or sealed."""
    header(store, "guide", "training", "note", value="\ud800")


@hostile(UnsafeStore, says="seal")
def seal_too_short(store: Path) -> None:
    """A prefix of the right seal."""
    seal = json.loads((store / "zarr.json").read_bytes())["attributes"]["dgkd_seal"]
    attribute(store, "dgkd_seal", value=seal[:63])


@hostile(UnsafeStore, says="seal")
def seal_in_upper_case(store: Path) -> None:
    """The right seal in another spelling: two names for one store."""
    seal = json.loads((store / "zarr.json").read_bytes())["attributes"]["dgkd_seal"]
    attribute(store, "dgkd_seal", value=seal.upper())


@hostile(UnsafeStore, says="seal")
def seal_that_is_a_number(store: Path) -> None:
    """An integer of 64 digits."""
    attribute(store, "dgkd_seal", value=10**63)


@hostile(Damaged, says="seal")
def seal_of_another_store(store: Path) -> None:
    """64 digits that fit nothing."""
    attribute(store, "dgkd_seal", value="0" * 64)


@hostile(UnsafeStore, says="attributes")
def seal_without_digests(store: Path) -> None:
    """Half of what seals."""
    attribute(store, "dgkd_digests", value=...)


@hostile(UnsafeStore, says="attributes")
def digests_without_seal(store: Path) -> None:
    """The other half."""
    attribute(store, "dgkd_seal", value=...)


@hostile(UnsafeStore, says="digests")
def digests_that_are_a_list(store: Path) -> None:
    """Of the right length."""
    attribute(store, "dgkd_digests", value=["0" * 64] * 8)


@hostile(UnsafeStore, says="seal")
def digest_of_the_wrong_length(store: Path) -> None:
    """One array's digest cut."""
    attribute(store, "dgkd_digests", "label", value="0" * 40)


@hostile(UnsafeStore, says="seal")
def digest_that_is_null(store: Path) -> None:
    """A type that has no length."""
    attribute(store, "dgkd_digests", "label", value=None)


@hostile(UnsafeStore, says="other arrays under the seal")
def digest_missing(store: Path) -> None:
    """An array that the seal does not cover."""
    attribute(store, "dgkd_digests", "label", value=...)


@hostile(UnsafeStore, says="other arrays under the seal")
def digest_too_many(store: Path) -> None:
    """A digest of an array outside the store."""
    attribute(store, "dgkd_digests", "../label", value="0" * 64)


@hostile(UnsafeStore, says="other arrays under the seal")
def digests_under_odd_names(store: Path) -> None:
    """Escape codes as an array's name."""
    attribute(store, "dgkd_digests", "\x1b[2J\u202elabel", value="0" * 64)


@hostile(Mismatch, says="newer guide store: expected .* version 1, found version 2")
def newer_version(store: Path) -> None:
    """A format that this reader cannot know is named, not called unsafe."""
    header(store, "version", value=2)


@hostile(Mismatch, says="found version 2")
def newer_version_with_more_attributes(store: Path) -> None:
    """A newer format may have other things beside its header."""
    header(store, "version", value=2)
    attribute(store, "dgkd_index", value={})


@hostile(UnsafeStore, says="version")
def version_that_is_true(store: Path) -> None:
    """True == 1."""
    header(store, "version", value=True)


@hostile(UnsafeStore, says="format")
def another_format(store: Path) -> None:
    """A group of somebody else's."""
    header(store, "format", value="dgkd-guide-store ")


@hostile(UnsafeStore, says="a key given twice")
def a_key_given_twice(store: Path) -> None:
    """One reader takes the first, another the last."""
    replace_text(store, '"views": 2', '"views": 2, "views": 3')


@hostile(UnsafeStore, says="the number NaN")
def json_nan(store: Path) -> None:
    """NaN is no JSON."""
    replace_text(store, '"views": 2', '"views": NaN')


@hostile(UnsafeStore, says="the number -Infinity")
def json_infinity(store: Path) -> None:
    """Neither is -Infinity."""
    replace_text(store, '"views": 2', '"views": -Infinity')


@hostile(UnsafeStore)
def json_beyond_doubles(store: Path) -> None:
    """1e400 reads as infinity."""
    replace_text(store, '"views": 2', '"views": 1e400')


@hostile(UnsafeStore, says="no proper JSON")
def json_of_ten_thousand_digits(store: Path) -> None:
    """Turning them into an integer takes quadratic time."""
    replace_text(store, '"views": 2', '"views": ' + "9" * 10_000)


@hostile(UnsafeStore, says="views")
def json_of_four_thousand_digits(store: Path) -> None:
    """An integer that Python does read."""
    replace_text(store, '"views": 2', '"views": ' + "9" * 4000)


@hostile(UnsafeStore, says="nested too deep|recursion")
def json_nested(store: Path) -> None:
    """Deeper than any reader's stack, within the plan."""
    replace_text(store, '"naïve": "é"', '"naïve": ' + "[" * 1000 + "]" * 1000)


@hostile(UnsafeStore, says="no proper JSON|too many parts")
def json_nested_without_end(store: Path) -> None:
    """A million brackets."""
    (store / "zarr.json").write_bytes(b"[" * 1_000_000)


@hostile(UnsafeStore, says="too many parts")
def json_of_empty_lists(store: Path) -> None:
    """15 MiB that become 400."""
    (store / "zarr.json").write_bytes(b"[" + b"[]," * (5 * 2**20) + b"0]")


@hostile(UnsafeStore, says="too many parts")
def json_of_commas(store: Path) -> None:
    """Four million numbers."""
    (store / "zarr.json").write_bytes(b"[" + b"0," * 2**22 + b"0]")


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
def json_that_is_empty(store: Path) -> None:
    """No bytes."""
    (store / "zarr.json").write_bytes(b"")


@hostile(UnsafeStore)
def json_that_is_a_number(store: Path) -> None:
    """Proper JSON, and no metadata."""
    (store / "zarr.json").write_bytes(b"3")


@hostile(UnsafeStore, says="no proper JSON")
def json_that_is_cut(store: Path) -> None:
    """Half of the file."""
    data = (store / "zarr.json").read_bytes()
    (store / "zarr.json").write_bytes(data[: len(data) // 2])
