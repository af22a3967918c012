"""Verbs that load data say where it came from, on stderr and once; a root that is named is the only place."""

from __future__ import annotations

import gzip
import json
import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from dgkd_cache.datasets import mnist

Command = Callable[..., Result]
LINE = "data set folder:pictures: read from "


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixteen pictures of two classes, one of them of 16 bits, and a GIF; the current folder is beside them."""
    random = np.random.Generator(np.random.PCG64(0))
    for number in range(16):
        path = tmp_path / "pictures" / ("test" if number > 11 else "train") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8 if number else np.uint16)).save(path)
    (tmp_path / "pictures" / "train" / "a" / "x.gif").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pictures"


def lines(result: Result) -> list[str]:
    """The lines on where data came from."""
    assert result.exit_code == 0, result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("data set ") and ": read from " in line]


def test_each_verb_that_loads_data_says_whence(command: Command, pictures: Path) -> None:
    where = [f"{LINE}{pictures}/train and {pictures}/test"]
    made = command("init", "--dataset", "folder:pictures", "--chain", "plain2,plain2", "--epochs", "1", "ws", "--json")
    assert lines(made) == [f"data set folder:{pictures}: read from {pictures}/train"]
    assert json.loads(made.stdout)["dataset"]["name"] == f"folder:{pictures}"
    for verb in (
        ("plan", "--seconds", "0.01"),
        ("train", "--model", "teacher"),
        ("dump", "--model", "teacher"),
        ("run",),
        ("eval", "--model", "teacher"),
        ("verify", "teacher", "--recompute", "1"),
    ):
        result = command("-w", "ws", *verb, "--json")
        assert lines(result) == where, verb
        told = result.stderr.splitlines()
        assert told[told.index(where[0]) - 1] == f"data set folder:{pictures}: loading", "said before it is read"
        assert json.loads(result.stdout), verb
        quiet = command("-q", "-w", "ws", *verb)
        assert not lines(quiet) and quiet.stdout, verb
    (pictures.parent / "ws" / "guides" / "teacher.zarr" / "logits" / "c.0.0.0").unlink()
    assert lines(command("-w", "ws", "repair", "teacher", "--json")) == where
    assert lines(command("datasets", "folder:pictures", "--json")) == where
    for verb in (("ls",), ("info", "teacher"), ("verify",)):
        assert lines(command("-w", "ws", *verb)) == [], "these need no data"


def test_what_is_left_out_or_changed_is_said_even_if_quiet(command: Command, pictures: Path) -> None:
    for options in ((), ("-q",)):
        said = command(*options, "datasets", "folder:pictures").stderr.splitlines()
        assert said[-2:] == [
            "Warning: pictures/train: left out files of other formats: 1 (1 .gif)",
            "Warning: pictures/train: 1 of 12 images have greyscale of more than 8 bits: scaled to 8 "
            "(decoding rule depth16 = 1)",
        ]
        assert len(said) == (2 if options else 4)


def test_guides_that_are_all_dropped_are_said_even_if_quiet(command: Command, pictures: Path) -> None:
    command("init", "--dataset", "folder:pictures", "--chain", "plain2,plain2", "--epochs", "1", "ws")
    for verb in ("train", "dump"):
        assert command("-w", "ws", verb, "--model", "teacher").exit_code == 0
    config = pictures.parent / "ws" / "dgkd.toml"
    config.write_text(config.read_text().replace('dropping = "bernoulli"', 'dropping = "fixed"'))
    result = command("-q", "-w", "ws", "train", "--model", "student")
    assert result.exit_code == 0
    assert "Warning: dropping = fixed with drop = 1 leaves none of the 1 guides" in result.stderr.splitlines()
    assert "train student" not in result.stderr


@pytest.mark.parametrize("option", [("--data-root", "/nonexistent"), ("--no-download",)])
def test_an_option_that_the_list_has_no_use_for_is_refused(command: Command, option: tuple[str, ...]) -> None:
    result = command("datasets", *option)
    assert result.exit_code == 2 and "go with NAME" in result.stderr and not result.stdout


@pytest.mark.parametrize("name", ["digits", "folder:pictures"])
def test_a_root_that_the_data_set_does_not_lie_in_is_refused(command: Command, pictures: Path, name: str) -> None:
    result = command("datasets", name, "--data-root", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected one of cifar10, cifar100, fashion-mnist, mnist, found" in result.stderr
    assert command("datasets", name, "--no-download").exit_code == 0, "nothing is fetched"


def test_what_may_not_be_fetched_is_refused_with_the_option_to_leave_out(command: Command, tmp_path: Path) -> None:
    result = command("datasets", "mnist", "--data-root", str(tmp_path), "--no-download")
    assert result.exit_code == 2 and result.stderr.endswith("put the files there, or leave --no-download out\n")


def test_logging_is_as_before_when_a_verb_ends(command: Command, pictures: Path) -> None:
    logger = logging.getLogger("dgkd_cache.datasets")
    before = logger.level, logger.propagate, list(logger.handlers)
    command("datasets", "folder:pictures")
    command("datasets", "folder:nowhere")
    assert (logger.level, logger.propagate, logger.handlers) == before


def test_a_root_that_is_named_is_the_only_place(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.mkdir()
    for part in ("train", "t10k"):
        pixels, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
        for name, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
            (system / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    monkeypatch.setattr(mnist, "DEBIAN_FASHION_MNIST", system)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert lines(command("datasets", "fashion-mnist")) == [f"data set fashion-mnist: read from {system}"]
    flag = command("datasets", "fashion-mnist", "--data-root", "/nonexistent", "--no-download")
    command("init", "--dataset", "fashion-mnist", "--chain", "plain2", "--data-root", "/nonexistent", "ws")
    config = tmp_path / "ws" / "dgkd.toml"
    config.write_text(config.read_text().replace("download = true", "download = false"))
    for refused in (flag, command("-w", "ws", "train", "--model", "student")):
        assert refused.exit_code == 2 and "in /nonexistent/FashionMNIST/raw, found not all" in refused.stderr
        assert str(system) not in refused.stderr


@pytest.mark.parametrize("words", ["train --student resnet9 --method scratch", "train student", "run", "plan"])
def test_a_wrong_name_is_told_before_data_is_loaded(command: Command, workspace: Path, words: str) -> None:
    text = (workspace / "dgkd.toml").read_text()
    (workspace / "dgkd.toml").write_text(text.replace('"plain2"', '"resnet9"').replace("[training]", MET))
    result = command(*words.split())
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    listed = ", ".join(f"plain{depth}" for depth in range(2, 11))
    assert f"unknown model 'resnet9': expected one of module:factory, {listed}" in result.stderr


MET = '[distillation]\nmethod = "scratch"\n[training]'
"""So that the student needs no stores."""
