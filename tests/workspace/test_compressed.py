"""Compressed stores and HDF5 files are trained from as they are: the same seals, the same weights, byte for byte."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import Lines, content, run, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.resolve import resolve_guide
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main
from dgkd_stores import GuideStore, convert


@pytest.mark.parametrize(
    ("encoding", "schedule"),
    [
        ("float16", "cycle"),
        ("uint8", "draw"),
        *(pytest.param(*both, marks=pytest.mark.slow) for both in (("float16", "draw"), ("uint8", "cycle"))),
    ],
)
def test_a_chain_on_compressed_stores_is_the_chain_on_raw_ones(tmp_path: Path, encoding: str, schedule: str) -> None:
    weights, seals = {}, {}
    for codec in ("none", "zstd", "blosc"):
        settings = {"cache__codec": codec, "cache__encoding": encoding, "views__schedule": schedule}
        ws = workspace(tmp_path / codec, **settings)
        run(ws)
        weights[codec] = {name: data for name, data in content(ws.folder).items() if "weights" in name}
        for name in ("teacher", "ta1"):
            with GuideStore.open(ws.store_path(name)) as store:
                assert store.codec == codec
                seals[codec, name] = store.seal
    assert len(weights["none"]) == 3
    for codec in ("zstd", "blosc"):
        assert weights[codec] == weights["none"]
        assert all(seals[codec, name] == seals["none", name] for name in ("teacher", "ta1"))


def test_another_codec_makes_no_store_stale(done) -> None:
    ws, _ = done
    other = ws.with_config(with_overrides(ws.config, {"cache.codec": "zstd"}))
    before = content(ws.folder)
    assert {row.state for row in chain_rows(other, device="cpu")} == {"done"}
    run(other)
    assert content(ws.folder) == before


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_guides_may_be_hdf5_files(done, tmp_path: Path, codec: str) -> None:
    shutil.copytree(done[0].folder, tmp_path / "ws")
    ws = Workspace.open(tmp_path / "ws")
    folders = [ws.store_path(name) for name in ("teacher", "ta1")]
    files = [tmp_path / f"{folder.stem}.h5" for folder in folders]
    for folder, file in zip(folders, files, strict=True):
        convert(folder, file, codec=codec)
        assert resolve_guide(ws, str(file)) == file
    cards = [train(ws, name, guides=guides) for name, guides in (("folders", folders), (f"files-{codec}", files))]
    assert cards[0].guides == cards[1].guides and len(cards[0].guides) == 2
    runs = [ws.run_folder(card.name) / "weights.safetensors" for card in cards]
    assert runs[0].read_bytes() == runs[1].read_bytes()


def test_guides_too_large_to_be_kept_decoded_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(tmp_path / "ws", cache__codec="zstd")
    run(ws)
    lines = Lines()
    train(ws, "fits", guides=[ws.store_path("teacher")], progress=lines)
    assert not any("decoded" in line for line in lines.lines)
    monkeypatch.setattr("dgkd_cache.workspace.tasks.run_guides.MAX_DECODED_BYTES", 1000)
    train(ws, "does-not", guides=[ws.store_path("teacher")], progress=lines)
    (told,) = [line for line in lines.lines if "once decoded" in line]
    command = shlex.split(told.split("`")[1].replace("NAME", "teacher").replace("FILE", str(tmp_path / "raw")))
    assert command[0] == "dgkd-cache"
    done = CliRunner().invoke(main, command[1:])
    assert done.exit_code == 0, done.output
    with GuideStore.open(tmp_path / "raw.zarr") as store:
        assert store.decoded_bytes(1) == 0
