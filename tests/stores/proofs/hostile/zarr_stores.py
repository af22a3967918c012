"""Array metadata that no writer of ours makes: other formats, codecs, dtypes, shapes and chunks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from stores.support.refusals import edit

from dgkd_stores import Damaged, UnsafeStore

from .corpus import edit_at, enter, hostile

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": True}}
CHUNK_SHAPE, SEPARATOR = "chunk_grid.configuration.chunk_shape", "chunk_key_encoding.configuration.separator"
BLOSC = {"typesize": 4, "cname": "zstd", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}


def array(store: Path, name: str, keys: str, value: Any) -> None:
    """Set one place of an array's zarr.json."""
    edit_at(store / name / "zarr.json", keys, value)


def stage(name: str, **configuration: Any) -> dict[str, Any]:
    """One codec as zarr.json has it."""
    return {"name": name, "configuration": configuration}


@hostile(UnsafeStore, says="zarr_format 3")
def version_2_with_pickles(store: Path) -> None:
    """A Zarr 2 array whose filters and dtype run code in old readers, and nothing else."""
    for file in list(store.rglob("*")):
        if file.is_file():
            file.unlink()
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    filters = [{"id": "pickle", "protocol": 4}]
    (store / "logits" / ".zarray").write_text(json.dumps({"zarr_format": 2, "dtype": "|O", "filters": filters}))


@hostile(UnsafeStore)
def version_2_beside_version_3(store: Path) -> None:
    """A good store, with metadata of Zarr 2 that other readers prefer."""
    (store / ".zgroup").write_text('{"zarr_format": 2}')


@hostile(UnsafeStore)
def version_2_inside_an_array(store: Path) -> None:
    """The same within an array."""
    (store / "logits" / ".zarray").write_text('{"zarr_format": 2, "filters": [{"id": "pickle"}]}')


@hostile(UnsafeStore, says="zarr_format 3")
def version_2_in_zarr_json(store: Path) -> None:
    """zarr.json that says 2."""
    edit(store / "zarr.json", "zarr_format", value=2)


@hostile(UnsafeStore, says="zarr_format 3")
def version_3_as_float(store: Path) -> None:
    """3.0 == 3."""
    edit(store / "zarr.json", "zarr_format", value=3.0)


@hostile(UnsafeStore)
def consolidated_metadata(store: Path) -> None:
    """Zarr reads arrays from here and not from their own files, which may say something else."""
    harmless = {name: json.loads((store / name / "zarr.json").read_bytes()) for name in ("logits", "label")}
    harmless["logits"]["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    consolidated = {"kind": "inline", "must_understand": False, "metadata": harmless}
    edit(store / "zarr.json", "consolidated_metadata", value=consolidated)


@hostile(UnsafeStore, says="codecs")
def codec_sharding(store: Path) -> None:
    """Chunks in chunks."""
    inner = {"chunk_shape": [1, 8, 3], "codecs": [LITTLE], "index_codecs": [LITTLE], "index_location": "end"}
    array(store, "logits", "codecs", [stage("sharding_indexed", **inner)])


@hostile(UnsafeStore, base="uint8", says="codecs")
def codec_of_one_row_array(store: Path) -> None:
    """`scale` under another codec than `logits`."""
    array(store, "scale", "codecs", [LITTLE, ZSTD])


@hostile(UnsafeStore, says="must_understand")
def extension_to_be_understood(store: Path) -> None:
    """Zarr's metadata has a key that a reader must not overlook."""
    array(store, "logits", "offset", {"name": "offset", "must_understand": True})
    array(store, "logits", "must_understand", True)


@hostile(Damaged, says="lost an array: expected label/zarr.json")
def array_without_metadata(store: Path) -> None:
    """Chunks of who knows what."""
    (store / "label" / "zarr.json").unlink()


@hostile(Damaged, says="logits")
def array_named_in_upper_case(store: Path) -> None:
    """On some file systems the same name."""
    (store / "logits").rename(store / "Logits")


@hostile(UnsafeStore)
def array_under_a_look_alike(store: Path) -> None:
    """A second `label`, with a Cyrillic letter."""
    (store / "lаbel").mkdir()


CODECS = [
    ("codec_pickle", [stage("numcodecs.pickle", protocol=4)], "Runs code on decoding."),
    ("codec_pickle_behind_bytes", [LITTLE, stage("numcodecs.pickle")], "In the place of a compressor."),
    ("codec_vlen_bytes", [stage("vlen-bytes")], "Objects of any length."),
    ("codec_json_objects", [stage("numcodecs.json2", encoding="utf-8")], "Python objects by way of JSON."),
    (
        "codec_by_import_path",
        [stage("os.system", command="true")],
        "A name that an over-willing registry would import.",
    ),
    ("codec_gzip", [LITTLE, stage("gzip", level=5)], "A real one that is not on the list."),
    ("codec_transpose", [stage("transpose", order=[0, 2, 1]), LITTLE], "Other rows from the same bytes."),
    ("codec_crc32c", [LITTLE, {"name": "crc32c"}], "A checksum behind the bytes."),
    ("codec_big_endian", [stage("bytes", endian="big")], "Every number turned around."),
    ("codec_twice", [LITTLE, ZSTD, ZSTD], "Compressed and compressed again: 1000 times 1000."),
    ("codec_nested", [LITTLE, [ZSTD]], "A list in the list."),
    ("codec_thousands", [LITTLE, *[{"name": "zstd"}] * 3000], "As many stages as fit."),
    ("codec_none", [], "An empty list."),
    (
        "zstd_level_as_text",
        [LITTLE, stage("zstd", level="3", checksum=True)],
        "Handed to C as it is, it would fail there.",
    ),
    ("zstd_level_beyond_int32", [LITTLE, stage("zstd", level=2**40, checksum=True)], "An overflow in C."),
    ("zstd_without_configuration", [LITTLE, {"name": "zstd"}], "A missing key."),
    ("zstd_with_a_dictionary", [LITTLE, stage("zstd", level=3, checksum=True, dictionary="/etc")], "A key more."),
]
"""Name, codecs of the rows, what they try."""

for name, stages, tries in CODECS:
    enter(name, tries, partial(array, name="logits", keys="codecs", value=stages), UnsafeStore, says="codecs")


BLOSCS = [
    ("blosc_typesize_zero", {"typesize": 0}, "A division by zero in C."),
    ("blosc_typesize_true", {"typesize": True}, "True is 1."),
    ("blosc_huge_blocks", {"blocksize": 2**31}, "A block larger than int32."),
    ("blosc_negative_blocks", {"blocksize": -1}, "A block of -1."),
    ("blosc_unknown_compressor", {"cname": "../../lib.so"}, "An inner codec by a path."),
    ("blosc_compressor_that_is_a_list", {"cname": ["zstd"]}, "Not hashable."),
    ("blosc_shuffle_as_number", {"shuffle": 1}, "As Zarr 2 has it."),
    ("blosc_with_another_key", {"nthreads": 10**6}, "A key more."),
]
"""Name, changes to the configuration of Blosc, what they try."""

for name, changes, tries in BLOSCS:
    stages = [LITTLE, stage("blosc", **BLOSC | changes)]
    enter(name, tries, partial(array, name="logits", keys="codecs", value=stages), UnsafeStore, says="codecs")


METADATA = [
    ("codec_vlen_text", "label", "codecs", [stage("vlen-utf8")], "codecs", "Text of any length, in the labels."),
    (
        "codec_of_labels",
        "label",
        "codecs",
        [LITTLE, ZSTD],
        "codecs",
        "A codec that is known, on an array that is never compressed.",
    ),
    ("group_in_an_array", "logits", "node_type", "group", "", "An array that says it is a group."),
    ("codec_null", "logits", "codecs", None, "codecs", "No list."),
    ("dtype_object", "logits", "data_type", "object", "data_type", "Python objects."),
    ("dtype_float64", "logits", "data_type", "float64", "data_type", "Twice the bytes that the header says."),
    (
        "dtype_of_fixed_text",
        "logits",
        "data_type",
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**31}},
        "data_type",
        "Elements of any size.",
    ),
    (
        "dtype_structured",
        "logits",
        "data_type",
        {"name": "structured", "configuration": {"fields": [["a", "float32"]]}},
        "data_type",
        "Fields that overlap.",
    ),
    ("shape_of_petabytes", "logits", "shape", [2**62, 2**62, 2**62], "shape", "Metadata alone claims them."),
    ("shape_negative", "label", "shape.0", -1, "shape", "-1 in a shape has a meaning in numpy."),
    ("shape_of_floats", "logits", "shape", [2.0, 24.0, 3.0], "shape", "Equal, and no integers."),
    ("chunks_of_no_rows", "logits", f"{CHUNK_SHAPE}.1", 0, "other chunks", "A division by zero."),
    ("chunks_of_true_rows", "logits", f"{CHUNK_SHAPE}.1", True, "other chunks|chunk_grid", "True is 1."),
    ("chunks_of_two_views", "logits", f"{CHUNK_SHAPE}.0", 2, "chunk_grid", "Another grid than there can be."),
    ("chunks_smaller_than_an_identity_array", "label", CHUNK_SHAPE, [1], "chunk_grid", "What is whole, in parts."),
    ("chunk_grid_rectangular", "logits", "chunk_grid.name", "rectangular", "chunk", "Another kind of grid."),
    ("chunk_grid_null", "logits", "chunk_grid", None, "chunk", "No grid."),
    (
        "chunk_keys_in_folders",
        "logits",
        SEPARATOR,
        "/",
        "chunk_key_encoding",
        "Zarr looks for the chunks in another place than we do.",
    ),
    ("chunk_keys_that_climb", "logits", SEPARATOR, "/../", "chunk_key_encoding", "A separator that leaves the store."),
    ("fill_of_zero", "logits", "fill_value", 0, "fill_value", "Rows that are not there read as numbers."),
    (
        "dimensions_swapped",
        "logits",
        "dimension_names",
        ["sample", "view", "class"],
        "dimension_names",
        "Samples called views.",
    ),
    (
        "storage_transformer",
        "logits",
        "storage_transformers",
        [{"name": "indirection", "configuration": {}}],
        "storage_transformers",
        "Code between store and reader.",
    ),
    (
        "attributes_of_an_array",
        "label",
        "attributes",
        {"x": 1},
        "attributes",
        "Things that nobody reads, with room for anything.",
    ),
    (
        "metadata_of_an_array_of_megabytes",
        "logits",
        "attributes",
        {"x": "y" * 2**20},
        "too many parts|too large",
        "What is a few lines in every store.",
    ),
]
"""Name, array, place in its zarr.json, value there, words of the refusal, what it tries."""

for name, where, keys, value, says, tries in METADATA:
    enter(name, tries, partial(array, name=where, keys=keys, value=value), UnsafeStore, says=says)
