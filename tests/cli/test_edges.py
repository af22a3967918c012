"""Things that a user may give or lose by accident: an exit code and a sentence, never a traceback and never a wait."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_cli.main import main

Command = Callable[..., Result]

NINES = "9" * 5000

HEX = "0x" + "f" * 6000

GOOD = """
[views]
transforms = ["crop(1)"]
[chain]
teacher = "plain4"
student = "plain2"
"""


def with_file(folder: Path, content: bytes | str) -> None:
    (folder / "dgkd.toml").write_bytes(content.encode() if isinstance(content, str) else content)


FILES: dict[str, bytes | str] = {
    "a number of 5,000 digits": f"{GOOD}[training]\nepochs = {NINES}",
    "4,000 digits": f"{GOOD}[training]\nepochs = {NINES[:4000]}",
    "a number of 6,000 digits in base 16": f"{GOOD}[training]\nepochs = {HEX}",
    "a rate of 6,000 digits": f"{GOOD}[training]\nlr = {HEX}",
    "such numbers in a list": f"{GOOD}[training]\nlr_steps = [{HEX}]",
    "such numbers in a table": f"{GOOD}[training]\nlr = {{a = {HEX}}}",
    "a negative one": f"{GOOD}[views.x]\n[training]\nseed = -{NINES}",
    "a date": f"{GOOD}[training]\nlr = 99999-99-99",
    "an infinite rate": f"{GOOD}[training]\nlr = 1e999",
    "no number": f"{GOOD}[training]\nlr = nan",
    "arrays within arrays": "a = " + "[" * 30_000 + "]" * 30_000,
    "tables within tables": "a = " + "{a = " * 10_000 + "1" + "}" * 10_000,
    "dots and dots": GOOD + "[training]\n" + ".".join("a" * 30_000) + " = 1",
    "dots of a known key": GOOD + "training.epochs." + ".".join("a" * 1000) + " = 1",
    "a long table name": "[" + ".".join("a" * 30_000) + "]",
    "nothing": b"",
    "NUL": b"\0",
    "NUL in text": f'{GOOD}[dataset]\nname = "a\0b"',
    "NUL by its escape": f'{GOOD}[dataset]\nname = "folder:a\\u0000b"',
    "NUL in a root": f'{GOOD}[dataset]\nroot = "a\\u0000b"',
    "NUL in an architecture": GOOD.replace("plain4", "a\\u0000b:c"),
    "NUL in a transform": GOOD.replace("crop(1)", "crop\\u0000"),
    "half a surrogate": f'{GOOD}[dataset]\nname = "\\ud800"',
    "not UTF-8": GOOD.encode() + b'[dataset]\nname = "\xff"',
    "UTF-16": GOOD.encode("utf-16"),
    "a string that never ends": 'a = "' + "x" * 60_000,
    "a value of 60,000 letters": f'{GOOD}[training]\noptimizer = "{"x" * 60_000}"',
    "a key of 60,000 letters": f"{GOOD}[training]\n{'x' * 60_000} = 1",
    "more than settings are": GOOD + "#" * 2**16,
    "home of nobody": f'{GOOD}[dataset]\nname = "folder:~nosuchuser/x"',
    "root at nobody's home": f'{GOOD}[dataset]\nname = "mnist"\nroot = "~nosuchuser"\ndownload = false',
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_file_of_settings(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str
) -> None:
    monkeypatch.chdir(tmp_path)
    with_file(tmp_path, content)
    result = command("plan", "--seconds", "0.01", "--device", "cpu")
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr.startswith("Error: ") and len(result.stderr) < 9000


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_name(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    with_file(tmp_path, GOOD.strip().encode(form))
    result = command("ls")
    assert result.exit_code == 2 and "found UTF-16, as an editor" in result.stderr
    assert "save it as UTF-8" in result.stderr


def test_what_is_no_file(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dgkd.toml"

    def refused(code: int, words: str) -> None:
        result = command("ls")
        assert result.exit_code == code and words in result.stderr, result.output
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    path.mkdir()
    refused(2, "is no workspace: expected a file dgkd.toml")
    os.mkfifo(path)
    refused(2, "is no workspace: expected a file dgkd.toml")
    for target in ("/dev/zero", "dgkd.toml", "nowhere"):
        path.symlink_to(target)
        refused(2, "is no workspace")
    with path.open("wb") as file:
        file.truncate(2**31)
    refused(2, "expected at most 65536 bytes")
    (tmp_path / "shared.toml").write_text(GOOD)
    path.symlink_to("shared.toml")
    assert command("ls").exit_code == 0
    path.unlink()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--model", "student", "--epochs", NINES],
        ["train", "--model", "student", "--epochs", NINES[:4000]],
        ["train", "--model", "student", "--seed", NINES[:4000]],
        ["train", "--model", "student", "--seed", "-1"],
        ["train", "--model", "student", "--temperature", "1e999"],
        ["train", "--model", NINES],
        ["train", "--student", "wrn-" + NINES + "-1", "--method", "scratch"],
        ["train", "--student", "plain2", "--guides", "~nosuchuser/x.zarr"],
        ["dump", "--model", "teacher", "--views", f"0:{NINES}"],
        ["dump", "--model", "teacher", "--views", f"{NINES}:{NINES}9"],
        ["dump", "--model", "teacher", "--views", "٠:٣"],
        ["dump", "--model", "teacher", "--shard", f"0/{NINES}"],
        ["dump", "--model", "teacher", "--shard", "²/³"],
        ["models", "--image", f"1x{NINES}x8"],
        ["models", "--image", "1x٣x8"],
        ["models", "--classes", NINES[:4000]],
        ["models", "torchvision:" + NINES],
        ["plan", "--seconds", "inf"],
        ["plan", "--seconds", "nan"],
        ["plan", "--seconds", "1e999"],
        ["verify", "teacher", "--recompute", NINES],
        ["verify", "teacher", "--recompute", "0"],
        ["eval", "--model", "teacher", "--device", "cuda:" + NINES],
        ["info", "~nosuchuser/x"],
        ["export", "~nosuchuser/x.zarr", "y.h5"],
        ["export", "x.zarr", "~nosuchuser/y.h5"],
        ["import", "~nosuchuser/x.h5"],
        ["import", "x.h5", "--to", "~nosuchuser/x.zarr"],
        ["repair", "~nosuchuser/x.zarr"],
        ["datasets", "folder:~nosuchuser"],
        ["datasets", "mnist", "--no-download", "--data-root", "~nosuchuser"],
        ["init", "--chain", "plain2", "--dataset", "folder:~nosuchuser", "x"],
        ["init", "--chain", "plain2", "--data-root", "~nosuchuser", "x"],
        ["init", "--chain", "plain2", "--data-root", os.fsdecode(b"\xff"), "x"],
        ["init", "--chain", "plain2", "--epochs", NINES[:4000], "x"],
        ["init", "--chain", "plain2", "--views", NINES[:4000], "x"],
        ["init", "--chain", "plain2", "--transforms", f"crop({NINES})", "x"],
    ],
    ids=lambda words: re.sub(NINES[:4000] + "9*", "NINES", " ".join(words)),
)
def test_options(command: Command, workspace: Path, words: list[str]) -> None:
    result = command(*words)
    assert (result.exit_code, result.stdout) == (2, ""), result.output[:3000]


def test_a_path_of_a_store_at_nobodys_home_is_refused_in_verify(command: Command, workspace: Path) -> None:
    """There a refusal is a result, like any other store's."""
    result = command("verify", "~nosuchuser/x.zarr")
    assert result.exit_code == 2 and "the home folder of a user whom this machine knows" in result.stdout


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_ranks(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for key, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", name: NINES}.items():
        monkeypatch.setenv(key, value)
    result = command("train", "--model", "student")
    assert result.exit_code == 2 and "RANK, WORLD_SIZE and LOCAL_RANK as torchrun sets them" in result.stderr


@pytest.mark.parametrize("where", [{}, {"MASTER_ADDR": "localhost"}, {"MASTER_ADDR": "localhost", "MASTER_PORT": "x"}])
def test_ranks_without_a_meeting_place(
    command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch, where: dict[str, str]
) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for key, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", **where}.items():
        monkeypatch.setenv(key, value)
    result = command("train", "--model", "teacher", "--device", "cpu")
    assert result.exit_code == 2 and "MASTER_ADDR and MASTER_PORT as torchrun sets them" in result.stderr


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_a_folder_that_was_deleted(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    required = {"init": ["--chain", "plain2"], "train": ["--model", "x"], "dump": ["--model", "x"]}
    required |= {"eval": ["--model", "x"], "info": ["x"], "repair": ["x"], "export": ["x", "y.h5"], "import": ["x"]}
    result = command(verb, *required.get(verb, []))
    assert result.exit_code == 2 and "the current folder cannot be used" in result.stderr, result.output
    assert command("--help").exit_code == 0


def test_a_folder_that_was_deleted_under_the_module(tmp_path: Path) -> None:
    words = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; exec {sys.executable} -m dgkd_cli ls"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("Error: the current folder cannot be used"), done.stderr


def test_a_name_that_the_terminal_cannot_show(workspace: Path) -> None:
    (odd := workspace / os.fsdecode(b"caf\xe9-\xc3\xa9")).mkdir()
    (workspace / "dgkd.toml").rename(odd / "dgkd.toml")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for words in (["-w", os.fspath(odd), "ls", "--json"], ["-w", os.fspath(odd), "verify"], ["models", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "dgkd_cli", *words], cwd=workspace, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
