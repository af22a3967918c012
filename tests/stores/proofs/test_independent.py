"""The store's reader against a second one, and its writer against a second one, over stores of every kind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from stores.proofs import independent_header, independent_reader, independent_writer
from stores.proofs.hostile import CORPUS, build
from stores.proofs.hostile.corpus import make_bases
from stores.support.small_store import identity_arrays

from dgkd_stores import DgkdError, GuideStore, convert

ENCODINGS = ("float32", "float16", "uint8", "factored", "topk")


@st.composite
def recipes(draw: Any) -> dict[str, Any]:
    encoding = draw(st.sampled_from(ENCODINGS))
    return {
        "views": draw(st.integers(1, 3)),
        "samples": draw(st.integers(1, 24)),
        "classes": draw(st.integers(2 if encoding == "topk" else 1, 5)),
        "tests": draw(st.integers(0, 3)),
        "first_view": draw(st.integers(0, 9)),
        "encoding": encoding,
        "width": draw(st.integers(1, 5)),
        "k": draw(st.integers(1, 4)),
        "digest_rows": draw(st.integers(1, 9)),
        "probe": draw(st.sampled_from(["sha256", "projection"])),
        "compute": {"batch": draw(st.integers(1, 9))},
    }


def agree(path: Path) -> None:
    """Both readers find the same in a finished store, bit for bit."""
    other = independent_reader.read(path, decode=zarrs_own) if path.is_dir() else read_hdf5(path)
    with GuideStore.open(path) as store:
        assert store.seal == other.seal and store.header.to_dict() == other.header
        assert store.views == other.views and other.written.all()
        samples = np.arange(store.header.dataset.samples)
        for view in store.views:
            ours = store.gather(np.full(len(samples), view), samples)
            assert ours.tobytes() == other.rows[view - store.views.start].astype(ours.dtype).tobytes()
        assert store.test_logits_MC.tobytes() == other.tests.tobytes()
        for name, array in identity_arrays(store).items():
            assert array.tobytes() == other.arrays[name].tobytes(), name


def read_hdf5(path: Path) -> independent_reader.Store:
    with h5py.File(path) as file:
        return independent_reader.read_hdf5(file)


def zarrs_own(codec: Mapping[str, Any], stored: bytes, nbytes: int) -> bytes:
    """Decompression by the libraries that Zarr itself uses."""
    import numcodecs

    kind = {"zstd": numcodecs.Zstd, "blosc": numcodecs.Blosc}[codec["name"]]
    try:
        return bytes(kind().decode(stored))
    except RuntimeError as error:
        raise ValueError(str(error)) from error


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe_of=recipes(), chunk=st.integers(1, 400), codec=st.sampled_from(["none", "zstd", "blosc"]))
def test_what_one_writes_both_read(
    recipe: Any, monkeypatch: pytest.MonkeyPatch, recipe_of: dict[str, Any], chunk: int, codec: str
) -> None:
    monkeypatch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", chunk)
    monkeypatch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", chunk)
    small = recipe(**recipe_of)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zarr"
        seal = small.write(path, codec=codec)
        agree(path)
        if codec == "none":
            files = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
            assert second_store(small, Path(folder) / "b.zarr", files) == seal


def second_store(small: Any, path: Path, wanted: Mapping[str, bytes]) -> str:
    """The same store by the second writer, byte for byte; its seal."""
    identity = small.identity
    logits = np.stack([small.logits(view) for view in small.header.view_range])
    header = small.header.to_dict()
    how = (small.shared, header.get("encoding_settings"))
    tests = independent_writer.encode(small.encoding, identity.test_logits_MC, *how)
    arrays = {
        **independent_writer.encode(small.encoding, logits, *how),
        **{f"test_{name}": array for name, array in tests.items()},
        **identity_arrays(identity),
    }
    rows = json.loads(wanted["logits/zarr.json"])["chunk_grid"]["configuration"]["chunk_shape"][1]
    seal = independent_writer.write(path, header, arrays, chunk_rows=rows)
    agree(path)
    for gzip in (False, True):
        file = path.with_name(f"{gzip}.h5")
        assert independent_writer.write_hdf5(file, header, arrays, chunk_rows=rows, gzip=gzip) == seal
        agree(file)
        assert convert(file, path.with_name(f"{gzip}.zarr")).seal == seal
    assert {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()} == wanted
    return seal


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_unfinished_store(recipe: Any, small_chunks: None, tmp_path: Path, encoding: str) -> None:
    small = recipe(encoding=encoding)
    small.write(tmp_path / "a.zarr", chunks=4, seal=False)
    with pytest.raises(independent_header.Refused) as refused:
        independent_reader.read(tmp_path / "a.zarr")
    assert refused.value.code == independent_header.NOT_FINISHED
    other = independent_reader.read(tmp_path / "a.zarr", allow_incomplete=True)
    with GuideStore.open(tmp_path / "a.zarr", allow_incomplete=True) as store:
        assert store.completeness().blocks_missing == int((~other.written).sum()) > 0
        for view, block in np.argwhere(other.written).tolist():
            samples = np.arange(block * 8, min(block * 8 + 8, 50))
            ours = store.gather(np.full(len(samples), view), samples)
            assert ours.tobytes() == other.rows[view, samples].tobytes()
    assert np.isnan(other.rows[2]).all()


def flip(file: Path, at: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x01
    file.write_bytes(content)


def edit(file: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(file.read_bytes())
    change(content)
    file.write_text(json.dumps(content))


def attributes(content: Any) -> Any:
    return content["attributes"]


def settings_of(content: Any) -> Any:
    return attributes(content)["dgkd"]["encoding_settings"]


def reseal(path: Path, file: str, at: int, content: bytes) -> None:
    """Change a file outside the rows and have the seal say that it was always so."""
    changed = bytearray((path / file).read_bytes())
    changed[at : at + len(content)] = content
    (path / file).write_bytes(changed)
    group = json.loads((path / "zarr.json").read_bytes())
    found = attributes(group)["dgkd_digests"]
    for name in found:
        chunks = sorted((path / name).glob("c.*"))
        found[name] = hashlib.sha256(b"".join(chunk.read_bytes() for chunk in chunks)).hexdigest()
    message = independent_writer.canonical(attributes(group)["dgkd"])
    message += b"".join(name.encode() + b"\0" + bytes.fromhex(found[name]) for name in sorted(found))
    attributes(group)["dgkd_seal"] = hashlib.sha256(message).hexdigest()
    (path / "zarr.json").write_text(json.dumps(group))


NAN, LARGE = b"\0\0\xc0\x7f", np.array([2.5, 2.0**121], "<f4").tobytes()

DAMAGE_OF_FACTORED: dict[str, tuple[int, Callable[[Path], object]]] = {
    "a bit of a coefficient": (12, lambda path: flip(path / "logits/c.1.0.0", 3)),
    "a bit of the basis": (12, lambda path: flip(path / "basis/c.0.0", 3)),
    "no bias": (12, lambda path: (path / "bias/c.0").unlink()),
    "a basis that is no number, and sealed": (12, lambda path: reseal(path, "basis/c.0.0", 4, NAN)),
    "a basis over its bound, and sealed": (12, lambda path: reseal(path, "basis/c.0.0", 4, LARGE[:4])),
    "a bias over its bound, and sealed": (12, lambda path: reseal(path, "bias/c.0", 8, LARGE[4:])),
    "infinite test rows": (12, lambda path: reseal(path, "test_logits/c.0.0", 2, b"\0\x7c")),
    "another width": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(width=2))),
    "more coefficients than classes": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(width=8)),
    ),
    "no settings": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).clear())),
    "no key for them": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].pop("encoding_settings")),
    ),
    "version 1": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(version=1))),
    "an encoding of version 1": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(encoding="float16")),
    ),
}

TAIL = np.array([np.inf, 2.0**41], "<f4").tobytes()

DAMAGE_OF_TOPK: dict[str, tuple[int, Callable[[Path], object]]] = {
    "a bit of a class": (12, lambda path: flip(path / "index/c.1.0.0", 4)),
    "a bit of a tail": (12, lambda path: flip(path / "tail/c.1.0.0", 4)),
    "no tails": (12, lambda path: (path / "tail/c.1.0.0").unlink()),
    "a test row of another class": (12, lambda path: reseal(path, "test_index/c.0.0", 10, b"\x07\0")),
    "a test row of one class twice": (12, lambda path: reseal(path, "test_index/c.0.0", 0, b"\x02\0\x02\0")),
    "an infinite tail": (12, lambda path: reseal(path, "test_tail/c.0.0", 4, TAIL[:4])),
    "a tail over its bound": (12, lambda path: reseal(path, "test_tail/c.0.0", 4, TAIL[4:])),
    "a logit that is no number": (12, lambda path: reseal(path, "test_logits/c.0.0", 2, b"\0\x7e")),
    "another k": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(k=2))),
    "as many as classes": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(k=7))),
    "no temperatures": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(temperatures=[]))),
    "another first temperature": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(temperatures=["2", "1"])),
    ),
    "a temperature twice": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(temperatures=["4", "4"])),
    ),
    "temperatures out of order": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(temperatures=["4", "2", "1"])),
    ),
    "a temperature far away": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(temperatures=["4", "0.000001"])),
    ),
    "settings of factored": (15, lambda path: edit(path / "zarr.json", lambda x: settings_of(x).update(width=3))),
    "version 1": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(version=1))),
    "the encoding factored": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(encoding="factored")),
    ),
}

DAMAGE: dict[str, tuple[int, Callable[[Path], object]]] = {
    "a bit of a row": (12, lambda path: flip(path / "logits/c.1.0.0", 3)),
    "a bit of a scale": (12, lambda path: flip(path / "scale/c.2.0.0", 3)),
    "a bit of a digest": (12, lambda path: flip(path / "digest/c.0.0.0", 40)),
    "a bit of the probe": (12, lambda path: flip(path / "probe/c.0.0")),
    "a bit of a test logit": (12, lambda path: flip(path / "test_logits/c.0.0")),
    "a chunk cut short": (12, lambda path: (path / "logits/c.0.0.0").write_bytes(b"12")),
    "no chunk of rows": (12, lambda path: (path / "scale/c.0.1.0").unlink()),
    "no chunk of digests": (12, lambda path: (path / "digest/c.0.0.0").unlink()),
    "no labels": (12, lambda path: (path / "label/c.0").unlink()),
    "no metadata": (12, lambda path: (path / "probe/zarr.json").unlink()),
    "a hole that is sealed": (12, lambda path: reseal(path, "digest/c.1.0.0", 64, bytes(32))),
    "infinite test rows": (12, lambda path: reseal(path, "test_scale/c.0.0", 0, b"\0\0\x80\x7f")),
    "labels that are sealed": (15, lambda path: reseal(path, "label/c.0", 0, b"\x07")),
    "another seal": (12, lambda path: edit(path / "zarr.json", lambda x: attributes(x).update(dgkd_seal="0" * 64))),
    "another digest of an array": (
        12,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd_digests"].update(label="0" * 64)),
    ),
    "another licence": (
        12,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(licence="mine")),
    ),
    "a label that is no class, and was not sealed": (
        12,
        lambda path: (path / "label/c.0").write_bytes(b"\x07" + bytes(399)),
    ),
    "a file more": (15, lambda path: (path / "evil.py").touch()),
    "a chunk more": (15, lambda path: (path / "logits/c.3.0.0").touch()),
    "a link": (15, lambda path: (path / "logits/c.9.0.0").symlink_to("/dev/null")),
    "an attribute more": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x).update(more=1))),
    "no digests": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x).pop("dgkd_digests"))),
    "a digest more": (
        15,
        lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd_digests"].update(logits="0" * 64)),
    ),
    "a key more": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(more=1))),
    "a float": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(views=3.0))),
    "another plan": (15, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(plan={}))),
    "another codec": (
        15,
        lambda path: edit(path / "logits/zarr.json", lambda x: x["codecs"].append({"name": "gzip"})),
    ),
    "another fill": (15, lambda path: edit(path / "scale/zarr.json", lambda x: x.update(fill_value=0))),
    "another order": (
        15,
        lambda path: edit(path / "label/zarr.json", lambda x: x["codecs"][0]["configuration"].update(endian="big")),
    ),
    "a key given twice": (15, lambda path: (path / "zarr.json").write_text('{"zarr_format": 3, "zarr_format": 3}')),
    "a newer version": (13, lambda path: edit(path / "zarr.json", lambda x: attributes(x)["dgkd"].update(version=3))),
    "no store": (10, lambda path: (path / "zarr.json").unlink()),
}


DAMAGES = {"uint8": DAMAGE, "factored": DAMAGE_OF_FACTORED, "topk": DAMAGE_OF_TOPK}


@pytest.mark.parametrize(("encoding", "what"), [(each, what) for each, found in DAMAGES.items() for what in found])
def test_both_refuse_it_as_the_same(recipe: Any, small_chunks: None, tmp_path: Path, encoding: str, what: str) -> None:
    path = tmp_path / "a.zarr"
    recipe(encoding=encoding).write(path)
    code, damage = DAMAGES[encoding][what]
    agree(path)
    damage(path)
    with pytest.raises(independent_header.Refused) as other:
        independent_reader.read(path)
    with pytest.raises(DgkdError) as ours, contextlib.closing(GuideStore.open(path)) as store:
        for view in store.views:
            store.gather(np.full(50, view), np.arange(50))
    assert (ours.value.exit_code, other.value.code) == (code, code), (ours.value, other.value)


def test_the_second_reader_refuses_the_hostile_corpus(recipe: Any, tmp_path: Path) -> None:
    """All of it that needs no decompressor: the page says enough to be safe, and names the same classes of error."""
    make_bases(recipe, tmp_path / "bases")
    odd, tried = {}, 0
    for name, one in CORPUS.items():
        if one.base not in ("raw", "uint8", "factored", "topk", "unfinished"):
            continue
        tried += 1
        found = 0
        try:
            independent_reader.read(build(name, tmp_path / "bases", tmp_path), allow_incomplete=True, decode=no_decoder)
        except independent_header.Refused as refused:
            found = refused.code
        if found not in ({error.exit_code for error in one.refused} or {0}):
            odd[name] = found
    # An array is missing there, and a name is too many: either class will do.
    assert odd == {"array_named_in_upper_case": independent_header.UNSAFE}
    assert tried > 150


def no_decoder(codec: Mapping[str, Any], stored: bytes, nbytes: int) -> bytes:
    raise ValueError("not decoded here")


def test_a_newer_version_is_refused_by_name(recipe: Any, tmp_path: Path) -> None:
    """Whatever else a newer version brings: another attribute, another key of the header."""
    recipe().write(tmp_path / "a.zarr")

    def newer(content: Any) -> None:
        attributes(content)["dgkd"].update(version=3, more="of it")
        attributes(content).update(dgkd_more={})

    edit(tmp_path / "a.zarr" / "zarr.json", newer)
    with pytest.raises(DgkdError, match="expected format dgkd-guide-store version 1 or 2, found version 3") as ours:
        GuideStore.open(tmp_path / "a.zarr")
    with pytest.raises(independent_header.Refused, match="version 3, known are 1 and 2") as other:
        independent_reader.read(tmp_path / "a.zarr")
    assert (ours.value.exit_code, other.value.code) == (13, 13)
