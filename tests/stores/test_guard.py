"""Stores that no writer of ours makes are refused before anything of them is decoded or allocated."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgkd_stores import DamagedStore, DgkdError, GuideStore, Mismatch, StoreNotFound, UnsafeStore
from dgkd_stores.metadata import MAX_METADATA_BYTES, parse_json


@pytest.fixture
def path(recipe: Any, small_chunks: None, tmp_path: Path) -> Path:
    recipe().write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def edit(file: Path, *keys: Any, value: Any) -> None:
    """Set one place in a JSON file; `...` takes it out."""
    content = json.loads(file.read_bytes())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    file.write_text(json.dumps(content))


def refused(path: Path, error: type[DgkdError] = UnsafeStore, match: str = ".") -> None:
    """Opening fails that way, and allocates next to nothing on the way there."""
    tracemalloc.start()
    try:
        for allow_incomplete in (False, True):
            with pytest.raises(error, match=match):
                GuideStore.open(path, allow_incomplete=allow_incomplete)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_METADATA_BYTES
    finally:
        tracemalloc.stop()


def test_the_errors_have_their_exit_codes(path: Path) -> None:
    assert (UnsafeStore.exit_code, DamagedStore.exit_code, Mismatch.exit_code) == (15, 12, 13)
    GuideStore.open(path).close()


@pytest.mark.parametrize("where", ["logits/c.0.0.0", "label/c.0", "zarr.json", "label/zarr.json", "digest", "extra"])
@pytest.mark.parametrize("target", ["/dev/null", "../b", "itself"])
def test_links(path: Path, where: str, target: str) -> None:
    file = path / where
    if file.exists():
        shutil.move(file, path.parent / "b")
    file.symlink_to(file if target == "itself" else target)
    refused(path)


@pytest.mark.parametrize("where", ["zarr.json", "logits/c.0.0.0", "logits/zarr.json", "label/c.0", "pipe"])
def test_pipes_do_not_hang(path: Path, where: str) -> None:
    (path / where).unlink(missing_ok=True)
    os.mkfifo(path / where)
    refused(path)


def test_the_store_itself_may_be_reached_by_a_link(path: Path) -> None:
    (path.parent / "link").symlink_to(path)
    with GuideStore.open(path.parent / "link") as store:
        assert store.gather([0], [0]).shape == (1, 7)


@pytest.mark.parametrize(
    "name",
    [".zarray", "evil.py", "logits/c.3.0.0", "logits/c.0.0", "logits/c.00.0.0", "logits/c.0.0.0.partial"]
    + [
        "logits/c.0.0.0/0",
        "scale/zarr.json",
        "label/c.1",
        "label/C.0",
        "logits/c.-1.0.0",
        "zarr.json.bak",
        "c/0",
    ],
)
def test_names_that_do_not_belong(path: Path, name: str) -> None:
    if name.count("/") > 1:
        (path / name).parent.unlink(missing_ok=True)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(b"")
    refused(path, match="expected .*, found .*; do not use this store")


PICKLE = [{"name": "numcodecs.pickle", "configuration": {}}]
SIDEWAYS = [{"name": "bytes", "configuration": {"endian": "big"}}]
GZIP = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "gzip", "configuration": {"level": 1}},
]
SHARDS = [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 16, 7]}}]


@pytest.mark.parametrize("array", ["logits", "label", "digest"])
@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("codecs",), PICKLE),
        (("codecs",), SIDEWAYS),
        (("codecs",), GZIP),
        (("codecs",), SHARDS),
        (("codecs",), []),
        (("codecs",), ...),
        (("data_type",), "object"),
        (("data_type",), "float64"),
        (("data_type",), {"name": "fixed_length_utf32", "configuration": {"length_bytes": 4}}),
        (("shape",), [2**62, 2**62, 2**62]),
        (("shape",), [1e3]),
        (("shape", 0), -1),
        (("zarr_format",), 2),
        (("zarr_format",), True),
        (("zarr_format",), ...),
        (("node_type",), "group"),
        (("fill_value",), 1),
        (("dimension_names",), None),
        (("chunk_key_encoding",), {"name": "default", "configuration": {"separator": "/"}}),
        (("chunk_grid", "name"), "rectangular"),
        (("chunk_grid", "configuration"), None),
        (("chunk_grid",), 5),
        (("storage_transformers",), [{"name": "x"}]),
        (("attributes",), {"x": 1}),
        (("must_understand",), {"must_understand": True}),
    ],
)
def test_metadata_of_an_array(path: Path, array: str, keys: tuple[Any, ...], value: Any) -> None:
    edit(path / array / "zarr.json", *keys, value=value)
    refused(path)


@pytest.mark.parametrize(
    "shape", [[1, 12, 7], [1, 0, 7], [1, 51, 7], [2, 16, 7], [1, 16, 6], [1, True, 7], [1, 16], "x"]
)
def test_chunk_shapes(path: Path, shape: Any) -> None:
    edit(path / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=shape)
    refused(path)


def test_what_other_zarr_libraries_may_leave_out_or_say(path: Path) -> None:
    for name in ("logits", "label", "digest"):
        edit(path / name / "zarr.json", "attributes", value=...)
        edit(path / name / "zarr.json", "storage_transformers", value=[])
    edit(path / "digest" / "zarr.json", "codecs", 0, "configuration", value={"endian": "little"})
    GuideStore.open(path).close()


HEADER = ("attributes", "dgkd")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("zarr_format",), 2),
        (("node_type",), "array"),
        (("consolidated_metadata",), {"metadata": {}}),
        (("attributes",), []),
        (("attributes", "more"), 1),
        (("attributes", "dgkd_seal"), "0" * 63),
        (("attributes", "dgkd_seal"), 5),
        (HEADER, None),
        ((*HEADER, "views"), 2**63),
        ((*HEADER, "views"), 3.0),
        ((*HEADER, "digest_rows"), 9),
        ((*HEADER, "dataset", "samples"), 2**31),
        ((*HEADER, "dataset", "samples"), 2**30),
        ((*HEADER, "dataset", "test_samples"), 2**31),
        ((*HEADER, "dataset", "classes"), ["x"] * 6),
        ((*HEADER, "dataset", "classes"), "seven x"),
        ((*HEADER, "encoding"), "pickle"),
        ((*HEADER, "format"), "x"),
        ((*HEADER, "probe"), "projection"),
        ((*HEADER, "plan", "seed"), 1),
        ((*HEADER, "guide", "name"), "../../etc"),
        ((*HEADER, "compute", "x"), "\ud800"),
    ],
)
def test_metadata_of_the_group(path: Path, keys: tuple[Any, ...], value: Any) -> None:
    edit(path / "zarr.json", *keys, value=value)
    refused(path)


def test_a_number_of_five_thousand_digits(path: Path) -> None:
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"views": 3', '"views": ' + "1" * 5000))
    refused(path, match="no proper JSON")


def test_a_larger_claim_with_metadata_to_match(path: Path) -> None:
    """A header, arrays and chunk grids that agree with each other on more than there is."""
    edit(path / "zarr.json", *HEADER, "dataset", "samples", value=2**31)
    edit(path / "zarr.json", *HEADER, "digest_rows", value=1)
    edit(path / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 1, 7])
    refused(path, match="too many chunks")
    edit(path / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=[1, 2**31, 7])
    refused(path, match="arrays beside the rows: expected at most")


def test_a_newer_version(path: Path) -> None:
    edit(path / "zarr.json", *HEADER, "version", value=2)
    refused(path, Mismatch, "newer guide store: expected format dgkd-guide-store version 1, found version 2")


@pytest.mark.parametrize("name", ["logits", "label", "digest"])
def test_lost_arrays_are_damage(path: Path, name: str) -> None:
    (path / name / "zarr.json").unlink()
    refused(path, DamagedStore, f"lost an array: expected {name}/zarr.json, found no such file; remove")
    shutil.rmtree(path / name)
    refused(path, DamagedStore, f"lost an array: expected {name}/zarr.json")


def test_zarr_version_2(tmp_path: Path) -> None:
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / ".zarray").write_text(json.dumps({"zarr_format": 2, "filters": [{"id": "pickle"}]}))
    refused(tmp_path, UnsafeStore, "expected zarr_format 3")


def test_labels_that_are_no_class(path: Path) -> None:
    (path / "label" / "c.0").write_bytes((2**40).to_bytes(8, "little") * 50)
    refused(path, UnsafeStore, "labels in label that are no class: expected 0 to 6, found 1099511627776")


def test_text_from_the_store_is_cleaned(path: Path) -> None:
    edit(path / "zarr.json", *HEADER, "licence\x1b[31m", value="x")
    with pytest.raises(UnsafeStore) as caught:
        GuideStore.open(path)
    assert "\x1b" not in str(caught.value) and "licence?(31m" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"1" * 5000,
        b'"' * 3,
        b'\\"' * 10_000,
    ],
)
def test_hostile_json(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UnsafeStore):
        parse_json(text, tmp_path)
    (tmp_path / "zarr.json").write_bytes(text)
    refused(tmp_path)


def test_huge_metadata(path: Path) -> None:
    os.truncate(path / "zarr.json", 2**40)
    refused(path, match=f"too large: expected at most {MAX_METADATA_BYTES} bytes, found {2**40}")


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data, Path("x"))
    except UnsafeStore:
        return
    assert value == json.loads(data)
