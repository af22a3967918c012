"""Array metadata that no writer of ours makes: other formats, codecs, dtypes, shapes and chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dgkd_stores import Damaged, UnsafeStore

from .corpus import edit, hostile

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": True}}
BLOSC = {"typesize": 4, "cname": "zstd", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}


def codecs(store: Path, *stages: Any, array: str = "logits") -> None:
    edit(store / array / "zarr.json", "codecs", value=list(stages))


def blosc(store: Path, **changes: Any) -> None:
    codecs(store, LITTLE, {"name": "blosc", "configuration": BLOSC | changes})


def array(store: Path, *keys: Any, value: Any, name: str = "logits") -> None:
    edit(store / name / "zarr.json", *keys, value=value)


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


@hostile(UnsafeStore)
def group_in_an_array(store: Path) -> None:
    """An array that says it is a group."""
    array(store, "node_type", value="group")


@hostile(UnsafeStore, says="codecs")
def codec_pickle(store: Path) -> None:
    """Runs code on decoding."""
    codecs(store, {"name": "numcodecs.pickle", "configuration": {"protocol": 4}})


@hostile(UnsafeStore, says="codecs")
def codec_pickle_behind_bytes(store: Path) -> None:
    """In the place of a compressor."""
    codecs(store, LITTLE, {"name": "numcodecs.pickle", "configuration": {}})


@hostile(UnsafeStore, says="codecs")
def codec_vlen_bytes(store: Path) -> None:
    """Objects of any length."""
    codecs(store, {"name": "vlen-bytes", "configuration": {}})


@hostile(UnsafeStore, says="codecs")
def codec_vlen_text(store: Path) -> None:
    """Text of any length, in the labels."""
    codecs(store, {"name": "vlen-utf8", "configuration": {}}, array="label")


@hostile(UnsafeStore, says="codecs")
def codec_json_objects(store: Path) -> None:
    """Python objects by way of JSON."""
    codecs(store, {"name": "numcodecs.json2", "configuration": {"encoding": "utf-8"}})


@hostile(UnsafeStore, says="codecs")
def codec_by_import_path(store: Path) -> None:
    """A name that an over-willing registry would import."""
    codecs(store, {"name": "os.system", "configuration": {"command": "true"}})


@hostile(UnsafeStore, says="codecs")
def codec_gzip(store: Path) -> None:
    """A real one that is not on the list."""
    codecs(store, LITTLE, {"name": "gzip", "configuration": {"level": 5}})


@hostile(UnsafeStore, says="codecs")
def codec_sharding(store: Path) -> None:
    """Chunks in chunks."""
    inner = {"chunk_shape": [1, 8, 3], "codecs": [LITTLE], "index_codecs": [LITTLE], "index_location": "end"}
    codecs(store, {"name": "sharding_indexed", "configuration": inner})


@hostile(UnsafeStore, says="codecs")
def codec_transpose(store: Path) -> None:
    """Other rows from the same bytes."""
    codecs(store, {"name": "transpose", "configuration": {"order": [0, 2, 1]}}, LITTLE)


@hostile(UnsafeStore, says="codecs")
def codec_crc32c(store: Path) -> None:
    """A checksum behind the bytes."""
    codecs(store, LITTLE, {"name": "crc32c"})


@hostile(UnsafeStore, says="codecs")
def codec_big_endian(store: Path) -> None:
    """Every number turned around."""
    codecs(store, {"name": "bytes", "configuration": {"endian": "big"}})


@hostile(UnsafeStore, says="codecs")
def codec_twice(store: Path) -> None:
    """Compressed and compressed again: 1000 times 1000."""
    codecs(store, LITTLE, ZSTD, ZSTD)


@hostile(UnsafeStore, says="codecs")
def codec_nested(store: Path) -> None:
    """A list in the list."""
    codecs(store, LITTLE, [ZSTD])


@hostile(UnsafeStore, says="codecs")
def codec_thousands(store: Path) -> None:
    """As many stages as fit."""
    codecs(store, LITTLE, *[{"name": "zstd"}] * 3000)


@hostile(UnsafeStore, says="codecs")
def codec_none(store: Path) -> None:
    """An empty list."""
    codecs(store)


@hostile(UnsafeStore, says="codecs")
def codec_null(store: Path) -> None:
    """No list."""
    array(store, "codecs", value=None)


@hostile(UnsafeStore, says="codecs")
def codec_of_labels(store: Path) -> None:
    """A codec that is known, on an array that is never compressed."""
    codecs(store, LITTLE, ZSTD, array="label")


@hostile(UnsafeStore, base="uint8", says="codecs")
def codec_of_one_row_array(store: Path) -> None:
    """`scale` under another codec than `logits`."""
    codecs(store, LITTLE, ZSTD, array="scale")


@hostile(UnsafeStore, says="codecs")
def zstd_level_as_text(store: Path) -> None:
    """Handed to C as it is, it would fail there."""
    codecs(store, LITTLE, {"name": "zstd", "configuration": {"level": "3", "checksum": True}})


@hostile(UnsafeStore, says="codecs")
def zstd_level_beyond_int32(store: Path) -> None:
    """An overflow in C."""
    codecs(store, LITTLE, {"name": "zstd", "configuration": {"level": 2**40, "checksum": True}})


@hostile(UnsafeStore, says="codecs")
def zstd_without_configuration(store: Path) -> None:
    """A missing key."""
    codecs(store, LITTLE, {"name": "zstd"})


@hostile(UnsafeStore, says="codecs")
def zstd_with_a_dictionary(store: Path) -> None:
    """A key more."""
    codecs(store, LITTLE, {"name": "zstd", "configuration": {"level": 3, "checksum": True, "dictionary": "/etc"}})


@hostile(UnsafeStore, says="codecs")
def blosc_typesize_zero(store: Path) -> None:
    """A division by zero in C."""
    blosc(store, typesize=0)


@hostile(UnsafeStore, says="codecs")
def blosc_typesize_true(store: Path) -> None:
    """True is 1."""
    blosc(store, typesize=True)


@hostile(UnsafeStore, says="codecs")
def blosc_huge_blocks(store: Path) -> None:
    """A block larger than int32."""
    blosc(store, blocksize=2**31)


@hostile(UnsafeStore, says="codecs")
def blosc_negative_blocks(store: Path) -> None:
    """A block of -1."""
    blosc(store, blocksize=-1)


@hostile(UnsafeStore, says="codecs")
def blosc_unknown_compressor(store: Path) -> None:
    """An inner codec by a path."""
    blosc(store, cname="../../lib.so")


@hostile(UnsafeStore, says="codecs")
def blosc_compressor_that_is_a_list(store: Path) -> None:
    """Not hashable."""
    blosc(store, cname=["zstd"])


@hostile(UnsafeStore, says="codecs")
def blosc_shuffle_as_number(store: Path) -> None:
    """As Zarr 2 has it."""
    blosc(store, shuffle=1)


@hostile(UnsafeStore, says="codecs")
def blosc_with_another_key(store: Path) -> None:
    """A key more."""
    blosc(store, nthreads=10**6)


@hostile(UnsafeStore, says="data_type")
def dtype_object(store: Path) -> None:
    """Python objects."""
    array(store, "data_type", value="object")


@hostile(UnsafeStore, says="data_type")
def dtype_float64(store: Path) -> None:
    """Twice the bytes that the header says."""
    array(store, "data_type", value="float64")


@hostile(UnsafeStore, says="data_type")
def dtype_of_fixed_text(store: Path) -> None:
    """Elements of any size."""
    array(store, "data_type", value={"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**31}})


@hostile(UnsafeStore, says="data_type")
def dtype_structured(store: Path) -> None:
    """Fields that overlap."""
    array(store, "data_type", value={"name": "structured", "configuration": {"fields": [["a", "float32"]]}})


@hostile(UnsafeStore, says="shape")
def shape_of_petabytes(store: Path) -> None:
    """Metadata alone claims them."""
    array(store, "shape", value=[2**62, 2**62, 2**62])


@hostile(UnsafeStore, says="shape")
def shape_negative(store: Path) -> None:
    """-1 in a shape has a meaning in numpy."""
    array(store, "shape", 0, value=-1, name="label")


@hostile(UnsafeStore, says="shape")
def shape_of_floats(store: Path) -> None:
    """Equal, and no integers."""
    array(store, "shape", value=[2.0, 24.0, 3.0])


@hostile(UnsafeStore, says="other chunks")
def chunks_of_no_rows(store: Path) -> None:
    """A division by zero."""
    array(store, "chunk_grid", "configuration", "chunk_shape", 1, value=0)


@hostile(UnsafeStore, says="other chunks|chunk_grid")
def chunks_of_true_rows(store: Path) -> None:
    """True is 1."""
    array(store, "chunk_grid", "configuration", "chunk_shape", 1, value=True)


@hostile(UnsafeStore, says="chunk_grid")
def chunks_of_two_views(store: Path) -> None:
    """Another grid than there can be."""
    array(store, "chunk_grid", "configuration", "chunk_shape", 0, value=2)


@hostile(UnsafeStore, says="chunk_grid")
def chunks_smaller_than_an_identity_array(store: Path) -> None:
    """What is whole, in parts."""
    array(store, "chunk_grid", "configuration", "chunk_shape", value=[1], name="label")


@hostile(UnsafeStore, says="chunk")
def chunk_grid_rectangular(store: Path) -> None:
    """Another kind of grid."""
    array(store, "chunk_grid", "name", value="rectangular")


@hostile(UnsafeStore, says="chunk")
def chunk_grid_null(store: Path) -> None:
    """No grid."""
    array(store, "chunk_grid", value=None)


@hostile(UnsafeStore, says="chunk_key_encoding")
def chunk_keys_in_folders(store: Path) -> None:
    """Zarr looks for the chunks in another place than we do."""
    array(store, "chunk_key_encoding", "configuration", "separator", value="/")


@hostile(UnsafeStore, says="chunk_key_encoding")
def chunk_keys_that_climb(store: Path) -> None:
    """A separator that leaves the store."""
    array(store, "chunk_key_encoding", "configuration", "separator", value="/../")


@hostile(UnsafeStore, says="fill_value")
def fill_of_zero(store: Path) -> None:
    """Rows that are not there read as numbers."""
    array(store, "fill_value", value=0)


@hostile(UnsafeStore, says="dimension_names")
def dimensions_swapped(store: Path) -> None:
    """Samples called views."""
    array(store, "dimension_names", value=["sample", "view", "class"])


@hostile(UnsafeStore, says="storage_transformers")
def storage_transformer(store: Path) -> None:
    """Code between store and reader."""
    array(store, "storage_transformers", value=[{"name": "indirection", "configuration": {}}])


@hostile(UnsafeStore, says="attributes")
def attributes_of_an_array(store: Path) -> None:
    """Things that nobody reads, with room for anything."""
    array(store, "attributes", value={"x": 1}, name="label")


@hostile(UnsafeStore, says="must_understand")
def extension_to_be_understood(store: Path) -> None:
    """What a reader must not overlook."""
    array(store, "offset", value={"name": "offset", "must_understand": True})
    array(store, "must_understand", value=True)


@hostile(UnsafeStore, says="too many parts|too large")
def metadata_of_an_array_of_megabytes(store: Path) -> None:
    """What is a few lines in every store."""
    array(store, "attributes", value={"x": "y" * 2**20})


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
