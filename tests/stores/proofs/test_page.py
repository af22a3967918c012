"""stores/FORMAT.md is true: its example is what the writer makes, and makes a store for whoever has only the page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.proofs import independent_header, independent_reader, independent_writer, worked_example

from dgkd_stores import GuideStore

PAGE = worked_example.PAGE.read_text()
BLOCKS = worked_example.blocks(PAGE)


def chunk_files() -> dict[str, bytes]:
    """The chunk files of the example as the page shows them; a line without a name goes on with the last."""
    files: dict[str, str] = {}
    name = ""
    for line in BLOCKS["chunks"].splitlines():
        first, _, rest = line.partition(" ")
        name = first or name
        files[name] = files.get(name, "") + " " + rest
    return {name: worked_example.parse_hex(text) for name, text in files.items()}


def header() -> dict[str, Any]:
    return json.loads(BLOCKS["header"].replace("\n", ""))


def group() -> dict[str, Any]:
    shown = json.loads(BLOCKS["zarr.json"])
    assert shown["attributes"]["dgkd"] == "HEADER"
    shown["attributes"]["dgkd"] = header()
    return shown


@pytest.fixture
def from_page(tmp_path: Path) -> Path:
    """The store made of nothing but the page's example and its table of arrays."""
    path = tmp_path / "page.zarr"
    specs = independent_header.array_specs(header())
    for name, (dtype, shape, _) in specs.items():
        (path / name).mkdir(parents=True)
        metadata = independent_writer.array_metadata(name, np.empty(shape, dtype), chunk_rows=4)
        (path / name / "zarr.json").write_bytes(independent_writer.text(metadata))
    for name, content in chunk_files().items():
        (path / name).write_bytes(content)
    (path / "zarr.json").write_bytes(independent_writer.text(group()))
    return path


def test_the_example_is_what_the_writer_makes(tmp_path: Path, read_tree: Any, from_page: Path) -> None:
    seal = worked_example.write(tmp_path / "tiny.zarr")
    begin, end = worked_example.BEGIN, worked_example.END
    shown = PAGE.partition(begin)[2].partition(end)[0]
    assert shown == worked_example.section(tmp_path / "tiny.zarr"), "run tests/stores/proofs/worked_example.py"
    assert group()["attributes"]["dgkd_seal"] == seal
    assert read_tree(from_page) == read_tree(tmp_path / "tiny.zarr")


def test_both_readers_read_the_page(from_page: Path) -> None:
    decoded = [line.split()[1:] for line in BLOCKS["rows"].splitlines() if line.startswith("decoded")]
    expected = np.array(decoded, dtype=np.float32)
    with GuideStore.open(from_page) as store:
        assert store.gather(np.zeros(4, int), np.arange(4)).tobytes() == expected.tobytes()
        assert store.test_logits_MC.tolist() == [[0.0, 1.0, 3.0]]
    other = independent_reader.read(from_page)
    assert other.rows[0].tobytes() == expected.tobytes() and other.seal == group()["attributes"]["dgkd_seal"]


def test_the_second_writer_makes_the_page(tmp_path: Path, from_page: Path, read_tree: Any) -> None:
    given = [line.split()[1:] for line in BLOCKS["rows"].splitlines() if line.startswith("given")]
    files = chunk_files()
    arrays = independent_writer.encode("uint8", np.array([given], np.float32))
    for name, (dtype, shape, _) in independent_header.array_specs(header()).items():
        if name not in ("logits", "scale", "digest"):
            (content,) = (files[key] for key in files if key.startswith(name + "/"))
            arrays[name] = np.frombuffer(content, independent_header.DTYPES[dtype]).reshape(shape)
    seal = independent_writer.write(tmp_path / "second.zarr", header(), arrays, chunk_rows=4)
    assert seal == group()["attributes"]["dgkd_seal"]
    assert read_tree(tmp_path / "second.zarr") == read_tree(from_page)


def test_digests_are_of_the_bytes_that_are_shown() -> None:
    """By hand, with no reader between."""
    digests = dict(line.rsplit("  ", 1) for line in BLOCKS["digests"].splitlines())
    digests = {name.strip(): value for name, value in digests.items()}
    files = chunk_files()
    message = BLOCKS["header"].replace("\n", "").encode()
    assert f"{len(message)} bytes" in PAGE and hashlib.sha256(message).hexdigest() == digests["header"]
    for block in range(2):
        records = bytes.fromhex(digests[f"records {block}"])
        assert records == b"".join(
            files["logits/c.0.0.0"][3 * row : 3 * row + 3] + files["scale/c.0.0.0"][8 * row : 8 * row + 8]
            for row in (2 * block, 2 * block + 1)
        )
        assert hashlib.sha256(records).hexdigest() == digests[f"block {block}"]
    assert files["digest/c.0.0.0"].hex() == digests["block 0"] + digests["block 1"]
    attributes = group()["attributes"]
    for key, content in files.items():
        name = key.partition("/")[0]
        if name not in ("logits", "scale"):
            assert attributes["dgkd_digests"].pop(name) == hashlib.sha256(content).hexdigest()
            message += name.encode() + b"\0" + hashlib.sha256(content).digest()
    assert not attributes["dgkd_digests"]
    # In the table above files stand in the order of their names, with a slash behind each: so do the arrays.
    assert hashlib.sha256(message).hexdigest() == attributes["dgkd_seal"]
