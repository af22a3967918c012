"""`export` and `import`: a store goes to another form and comes back, and every refusal has its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result

from dgkd_stores import GuideStore

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seal_of(store: Path) -> str:
    return json.loads((store / "zarr.json").read_text())["attributes"]["dgkd_seal"]


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_out_and_in_again(command: Command, guides: Path, tmp_path: Path, codec: str) -> None:
    out = command("export", "ta1", "ta1.h5", "--codec", codec, "--json")
    assert out.exit_code == 0, out.stderr
    assert json.loads(out.stdout) == {
        "source": "guides/ta1.zarr",
        "path": "ta1.h5",
        "container": "hdf5",
        "codec": codec,
        "seal": seal_of(guides / "ta1.zarr"),
        "bytes": (tmp_path / "ta1.h5").stat().st_size,
        "written": True,
    }
    assert out.stderr.startswith("export ta1.zarr: 9.") and " kB\n" in out.stderr and "done in" in out.stderr
    with h5py.File(tmp_path / "ta1.h5") as file, GuideStore.open(guides / "ta1.zarr") as store:
        assert (file["logits"][2] == store.gather(np.full(100, 2), np.arange(100))).all()
    back = command("import", "ta1.h5", "--name", "again")
    assert back.exit_code == 0, back.stderr
    # Three views where the workspace has two.
    assert tree(tmp_path / "guides" / "again-0-3.zarr") == tree(guides / "ta1.zarr")
    assert "container  zarr, codec none" in back.stdout and seal_of(guides / "ta1.zarr") in back.stdout
    assert not list(tmp_path.rglob("*.writing"))


def test_no_torch_and_no_workspace(three_guides: list[Path], tmp_path: Path) -> None:
    script = """
import sys
from dgkd_cli.main import main
for line in sys.argv[1:]:
    main.main(["-q", *line.split()], standalone_mode=False)
print("LOADED", *sorted({"torch", "h5py", "zarr"} & set(sys.modules)))
"""

    def run(*lines: str) -> str:
        command = [sys.executable, "-c", script, *lines]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    # Only writing an HDF5 file loads h5py.
    assert run(f"export {three_guides[1]} a.h5").endswith("LOADED h5py\n")
    said = run("import a.h5 --to b.zarr", "info a.h5", "info a.h5 --json", "verify --full ./a.h5")
    assert said.endswith("LOADED\n")
    assert "container hdf5, codec none" in " ".join(said.split()) and '"container": "hdf5"' in said
    assert tree(tmp_path / "b.zarr") == tree(three_guides[1])


def test_what_is_not_there(command: Command, workspace: Path) -> None:
    for arguments in (
        ("export", "ta1", "a.h5"),
        ("export", "./no.zarr", "a.h5"),
        ("import", "no.h5"),
        ("info", "no.h5"),
    ):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (10, ""), arguments
    assert "`dgkd-cache run` trains and dumps the whole chain" in command("export", "ta1", "a.h5").stderr
    assert sorted(os.listdir(workspace)) == ["dgkd.toml"]


def test_usage(command: Command, guides: Path, tmp_path: Path) -> None:
    command("export", "ta1", "a.h5")
    for arguments, says in (
        (("export", "ta1", "b.h5", "--codec", "zstd"), "expected one of none, gzip, found zstd"),
        (("export", "ta1", "b.zarr", "--codec", "gzip"), "expected one of none, blosc, zstd, found gzip"),
        (("export", "ta1", "b.h5", "--codec", "lzma"), "Invalid value for '--codec'"),
        (("import", "a.h5", "--codec", "gzip"), "Invalid value for '--codec'"),
        (("import", "a.h5", "--name", "x", "--to", "y.zarr"), "at most one of --name"),
        (("import", "a.h5", "--name", "../x"), "../x"),
        (("export", "ta2", "a.h5"), "a.h5 is there already and is left as it is"),
        (("export", "ta1", "new.txt"), "expected .zarr for a folder, .h5 or .hdf5 for a file, found .txt"),
        (("export", "ta1", "new.hd5"), "found .hd5"),
        (("export", "ta1", "new"), "found no suffix"),
        (("import", "a.h5", "--to", "zarr/"), "found no suffix"),
        (("export", "ta1", "guides/ta1.zarr/a.h5"), "lies within the store"),
        (("export", "ta1"), "Missing argument"),
    ):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert says in result.stderr, result.stderr
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "dgkd.toml", "guides"]


def test_damage(command: Command, guides: Path, workspace: Path) -> None:
    command("export", "ta1", "a.h5")
    data = (workspace / "a.h5").read_bytes()
    (workspace / "a.h5").write_bytes(data[:-100])
    result = command("import", "a.h5")
    assert (result.exit_code, result.stdout) == (12, "") and "cut short" in result.stderr
    chunk = guides / "ta2.zarr" / "logits" / "c.1.0.0"
    chunk.write_bytes(bytes(8) + chunk.read_bytes()[8:])
    result = command("export", "ta2", "b.h5")
    assert (result.exit_code, result.stdout) == (12, "") and "view 1, samples 0 to 99: damaged" in result.stderr
    assert not (workspace / "b.h5").exists() and not list(workspace.rglob("*.writing"))


@pytest.mark.parametrize("line", ["export ta1 a.h5", "import guides/ta1.zarr --name new", "verify --full ta1"])
def test_an_interrupt_leaves_nothing_half_done(
    command: Command, guides: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    before = sorted(workspace.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_cli.progress.LineProgress.advance", interrupt)
        result = command(*line.split())
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("interrupted: nothing is damaged; run the same command again\n")
    assert sorted(workspace.rglob("*")) == before
    assert command(*line.split()).exit_code == 0


def interrupt(*arguments: object, **more: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["text", "link", "pipe", "foreign", "attribute"])
def test_unsafe(command: Command, guides: Path, workspace: Path, what: str) -> None:
    path = workspace / "a.h5"
    command("export", "ta1", "a.h5")
    if what == "text":
        path.write_text("<html>" * 20)
    elif what == "link":
        path.rename(workspace / "b.h5")
        path.symlink_to("b.h5")
    elif what == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif what == "foreign":
        with h5py.File(path, "w") as file:
            file["logits"] = np.zeros(5)
    else:
        with h5py.File(path, "r+") as file:
            file["logits"].attrs["x"] = 1
    for arguments in (
        ("import", "a.h5"),
        ("export", "./a.h5", "c.zarr"),
        ("train", "--student", "plain2", "--guides", "a.h5"),
    ):
        if what == "pipe" and arguments[0] == "train":
            continue
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (15, ""), (arguments, result.stderr)
    assert sorted(os.listdir(guides)) == ["ta1.zarr", "ta2.zarr", "teacher.zarr"]
    assert not (workspace / "c.zarr").exists()


def test_every_verb_takes_a_file_for_one_in_letters_of_either_case(
    command: Command, guides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("export", "ta1", "TA1.H5").exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "TA1.H5").rename("TA1.H5")
    for line in ("info TA1.H5", "verify TA1.H5", "export TA1.H5 ta1.zarr", "import TA1.H5 --to again.Hdf5"):
        done = command(*line.split())
        assert done.exit_code == 0, (line, done.stderr)
    assert h5py.is_hdf5("again.Hdf5")
