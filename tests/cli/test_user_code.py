"""Code of the user's own from the command line: only what dgkd.toml or a flag names is run, and it is said."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.tiny_chain import CONFIG, MODULE

from dgkd_cache.models import load_model, save_model
from dgkd_cli.main import main

Command = Callable[..., Result]

NET = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("ran-" + Path(__file__).stem).touch()

def make(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))
"""

CHAIN = 'teacher = "dgkd_own:make"\nstudent = "plain2"'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished teacher of the user's own code and its store, and a run `theirs` whose card names other code."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "tiny_bars.py").write_text(MODULE)
    for name in ("dgkd_own", "dgkd_evil"):
        (folder / f"{name}.py").write_text(NET)
    (folder / "dgkd.toml").write_text(CONFIG.format(chain=CHAIN))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.delitem(sys.modules, "tiny_bars", raising=False)  # that of another test
        for words in (["train", "--model", "teacher", "--epochs", "1"], ["dump", "--model", "teacher"]):
            done = CliRunner().invoke(main, [*words, "--device", "cpu"])
            assert done.exit_code == 0, done.output
            said = re.findall("running your code: (.*)", done.stderr)
            assert sorted(said) == ["dgkd_own:make from dgkd.toml", "tiny_bars:bars from dgkd.toml"]
        model, card = load_model(folder / "runs" / "teacher", architecture="dgkd_own:make")
        theirs = card.model_copy(update={"name": "theirs", "architecture": "dgkd_evil:make"})
        save_model(folder / "runs" / "theirs", model, theirs)
    forget(folder)
    return folder


def forget(folder: Path) -> None:
    for name in [
        name for name, one in sys.modules.items() if str(getattr(one, "__file__", "")).startswith(str(folder))
    ]:
        del sys.modules[name]
    for mark in folder.glob("ran-*"):
        mark.unlink()


@pytest.fixture
def own(here: Path) -> Iterator[Path]:
    yield here
    forget(here)


CARDS = [
    "eval --model theirs",
    "dump --model theirs",
    "dump --model theirs --shard 0/2",
    "train --student plain2 --guides theirs --live --name x",
]


@pytest.mark.parametrize("words", CARDS)
def test_a_card_does_not_choose_code(command: Command, own: Path, words: str) -> None:
    refused = command(*words.split(), "--device", "cpu")
    assert refused.exit_code == 13, refused.output
    assert "names code that nothing of yours names" in refused.stderr and "'dgkd_evil:make'" in refused.stderr
    assert not (own / "ran-dgkd_evil").exists()
    hint = re.search("as in `dgkd-cache ([^`]*)`", refused.stderr)
    assert hint is not None
    allowed = command(*shlex.split(hint[1]), "--device", "cpu")
    assert allowed.exit_code == 0 and "running your code: dgkd_evil:make from the command line" in allowed.stderr
    done = command(*words.split(), "--device", "cpu", "--architecture", "dgkd_evil:make")
    assert done.exit_code == 0, done.output
    assert (own / "ran-dgkd_evil").exists()


def test_a_store_does_not_choose_code(command: Command, own: Path) -> None:
    """`repair` and `verify --recompute` take the run that the header names, under the same rule."""
    done = command("dump", "--model", "theirs", "--device", "cpu", "--architecture", "dgkd_evil:make")
    assert done.exit_code == 0, done.output
    forget(own)
    refused = command("verify", "theirs", "--recompute", "10", "--device", "cpu")
    shutil.rmtree(own / "runs" / "teacher")  # of the same weights
    (own / "guides" / "theirs.zarr" / "logits" / "c.0.0.0").unlink()
    for refused in (command("repair", "theirs", "--device", "cpu"), command("info", "theirs"), command("ls")):
        assert not (own / "ran-dgkd_evil").exists(), refused.output
    mended = command("repair", "theirs", "--device", "cpu", "--architecture", "dgkd_evil:make")
    assert mended.exit_code == 0, mended.output
    forget(own)
    refused = command("verify", "theirs", "--recompute", "10", "--device", "cpu")
    assert refused.exit_code == 13 and not (own / "ran-dgkd_evil").exists(), refused.output


@pytest.mark.parametrize(
    "words",
    [
        "eval --model teacher --architecture dgkd_evil:make",
        "eval --model teacher --architecture plain2",
        "dump --model teacher --architecture dgkd_evil:make",
        "train --model student --live --name x --architecture dgkd_own:make --architecture dgkd_evil:make",
        "repair teacher --architecture dgkd_evil:other",
    ],
)
def test_code_that_no_card_names_is_refused(command: Command, own: Path, words: str) -> None:
    refused = command(*words.split(), "--device", "cpu")
    assert (refused.exit_code, refused.stdout) == (2, ""), refused.output
    assert f"--architecture {words.split()[-1]} would have no effect: expected the module:factory" in refused.stderr
    assert "found dgkd_own:make of teacher" in refused.stderr
    assert not list(own.glob("ran-*"))


def test_rows_are_not_recomputed_with_code_that_no_card_names(command: Command, own: Path) -> None:
    refused = command("verify", "teacher", "--recompute", "5", "--architecture", "dgkd_evil:other")
    assert refused.exit_code == 2 and "would have no effect" in refused.stderr and not list(own.glob("ran-*"))
    assert command("verify", "teacher", "--recompute", "5", "--architecture", "dgkd_own:make").exit_code == 0


def test_code_of_dgkd_toml_is_refused_on_request(
    command: Command, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verbs = [
        "run",
        "plan",
        "eval --model teacher",
        "dump --model teacher --views 0:3",
        "train --model student",
        "verify teacher --recompute 5",
        "datasets tiny_bars:bars",
        "models dgkd_own:make",
        "init --dataset tiny_bars:bars --chain plain2 new",
        "init --dataset digits --chain dgkd_own:make new",
    ]
    for words in verbs:
        refused = command("--no-user-code", *words.split())
        assert refused.exit_code == 2 and "because of --no-user-code or DGKD_NO_USER_CODE" in refused.output, words
    monkeypatch.setenv("DGKD_NO_USER_CODE", "1")
    assert command("eval", "--model", "teacher").exit_code == 2
    assert not list(own.glob("ran-*")) and "tiny_bars" not in sys.modules and not (own / "new").exists()
    for words in ("ls", "info teacher", "verify --full"):
        assert command(*words.split()).exit_code == 0, words


def test_quiet_or_not_it_is_said_once(command: Command, own: Path) -> None:
    done = command("-q", "eval", "--model", "teacher", "--device", "cpu")
    assert done.stderr.splitlines() == [
        "running your code: dgkd_own:make from dgkd.toml",
        "running your code: tiny_bars:bars from dgkd.toml",
    ]


MARKING = "open({mark!r}, 'a').write(__name__ + chr(10))\n"


@pytest.fixture
def hostile(own: Path) -> Path:
    """The folder with a module for every name that Python or an installed package has; each leaves word when run."""
    (own / "dgkd_probe.py").write_text("import sys; print(*sys.modules)")
    started = subprocess.run([sys.executable, "-m", "dgkd_probe"], cwd=own, capture_output=True, text=True, check=True)
    of_python = set(started.stdout.split())  # `python -m` imports these by itself, before it comes to any program
    assert "importlib" in of_python and not {"json", "random", "tempfile", "torch", "click"} & of_python
    installed = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
    for name in {*sys.stdlib_module_names, *installed, "sitecustomize", "usercustomize"} - of_python:
        if name not in ("dgkd_cli", "dgkd_cache", "dgkd_stores"):
            (own / f"{name}.py").write_text(MARKING.format(mark=str(own / "imported")))
    return own


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dgkd_cli", *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    [
        "ls",
        "verify --full",
        "dump --model teacher --views 0:3",
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in ("doctor", "datasets digits", "eval --model teacher")
        ),
    ],
)
def test_nothing_in_the_current_folder_hides_what_is_installed(hostile: Path, words: str) -> None:
    done = start(hostile, *words.split())
    assert done.returncode == 0, done.stderr
    imported = hostile / "imported"
    assert not imported.exists(), imported.read_text()


def test_python_that_is_told_to_be_safe_keeps_its_path(own: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import runpy, sys; before = list(sys.path)\n"
         "sys.argv = ['x', '--version']\n"
         "try: runpy.run_module('dgkd_cli', run_name='__main__')\n"
         "except SystemExit: print(sys.path == before)"],
        cwd=own, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "True", done.stderr
