"""`ls`, `info`, `models`, `datasets`, `doctor`: what is there, what is known, what this machine can do."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch
from click.testing import Result
from torch import nn

from dgkd_cache.models import build_model
from dgkd_cli.commands import doctor as doctor_verb
from dgkd_stores import GuideStore, GuideStoreWriter, IdentityArrays

Command = Callable[..., Result]
SaveTeacher = Callable[..., Path]


@pytest.fixture
def teacher(save_teacher: SaveTeacher) -> Path:
    """A finished run."""
    return save_teacher(
        dataset={"name": "di[bold]gits\x1b[2J", "digest": "0" * 64},
        views={"count": 2},
        training={"method": "scratch"},
        accuracy={"test": "0.8812"},
        seconds=75,
    )


def test_ls_tells_states_and_sizes(command: Command, workspace: Path, teacher: Path) -> None:
    (workspace / "runs" / "ta1").mkdir()
    (workspace / "runs" / "other").mkdir()
    (workspace / "runs" / "other" / "card.json").write_text("{")
    (workspace / "guides" / "bad.zarr").mkdir(parents=True)
    (workspace / "guides" / "bad.zarr" / "zarr.json").write_text("{")
    result = command("ls")
    assert (result.exit_code, result.stderr) == (0, "")
    runs, stores = result.stdout.split("\n\n")
    assert [line.split()[:2] for line in runs.splitlines()[1:]] == [
        ["teacher", "done"],
        ["ta1", "missing"],
        ["student", "missing"],
        ["other", "damaged"],
    ]
    assert "88.12 %" in runs
    assert stores.splitlines()[1].split()[:2] == ["bad", "refused"]
    printed = json.loads(command("ls", "--json").stdout)
    assert printed["runs"][0]["nbytes"] == sum(path.stat().st_size for path in teacher.iterdir())
    assert printed["stores"][0]["why"]


def test_foreign_things_in_runs_are_named_and_hide_nothing(command: Command, workspace: Path, teacher: Path) -> None:
    runs = workspace / "runs"
    (runs / "A run?").mkdir()
    os.mkfifo(runs / "pipe")
    (runs / "piped").mkdir()
    os.mkfifo(runs / "piped" / "card.json")
    (runs / "sparse").mkdir()
    (runs / "sparse" / "card.json").touch()
    os.truncate(runs / "sparse" / "card.json", 2 * 2**30)
    (runs / "evil").mkdir()
    (runs / "evil" / "card.json").write_text('{"format": "\\u001b[2J[bold]x"}')
    printed = json.loads(command("ls", "--json").stdout)["runs"]
    assert {Path(run["name"]).name: run["state"] for run in printed} == {
        "teacher": "done",
        "ta1": "missing",
        "student": "missing",
        "piped": "refused",
        "sparse": "damaged",
        "evil": "damaged",
        "A run?": "unknown",
        "pipe": "unknown",
    }
    assert [bool(run["why"]) for run in printed] == [False] * 3 + [True] * 5
    listed = command("ls")
    assert listed.exit_code == 0 and "\x1b" not in listed.stdout and "remark" in listed.stdout
    assert command("info", "teacher").exit_code == 0
    for name, code in (("piped", 15), ("sparse", 12), ("evil", 12)):
        result = command("info", name)
        assert (result.exit_code, result.stdout) == (code, "") and result.stderr.startswith("Error: runs/")


def test_info_says_what_has_become_of_the_weights(command: Command, workspace: Path, teacher: Path) -> None:
    assert "state            done" in command("info", "teacher").stdout.splitlines()
    (teacher / "weights.safetensors").unlink()
    result = command("info", "teacher")
    assert result.exit_code == 0 and "damaged: runs/teacher/weights.safetensors cannot be read" in result.stdout
    printed = json.loads(command("info", "teacher", "--json").stdout)["run_state"]
    assert printed["state"] == "damaged" and "no such file" in printed["why"]


def test_info_of_a_run_by_name_and_by_path(command: Command, workspace: Path, teacher: Path) -> None:
    result = command("info", "teacher")
    assert (result.exit_code, result.stderr) == (0, "")
    for word in ("plain6", "88.12 %", "1 min 15 s", "method scratch"):
        assert word in result.stdout
    assert "\x1b" not in result.stdout and "[bold]" not in result.stdout
    printed = json.loads(command("info", str(teacher), "--json").stdout)
    assert (printed["run"]["name"], printed["store"]) == ("teacher", None)


def test_info_of_a_store_needs_neither_torch_nor_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, three_guides: list[Path]
) -> None:
    script = f"""
import sys
from dgkd_cli.main import main
for arguments in (["info", {str(three_guides[0])!r}], ["info", {str(three_guides[0])!r}, "--json"]):
    main.main(arguments, standalone_mode=False)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text, brace, printed = done.stdout.partition("{")
    store = json.loads(brace + printed)["store"]
    attributes = json.loads((three_guides[0] / "zarr.json").read_text())["attributes"]
    assert store["header"] == attributes["dgkd"]
    assert store["seal"] == attributes["dgkd_seal"]
    assert (store["complete"], store["views_done"], store["blocks_missing"]) == (True, 3, 0)
    for word in ("sealed", attributes["dgkd_seal"], "bars, train: 100 samples, 4 classes", "0:3 of plan"):
        assert word in text


def test_info_of_an_unfinished_store(
    command: Command, workspace: Path, dump: Callable[..., Path], make_tiny: Callable[..., nn.Module]
) -> None:
    dump(workspace / "guides" / "ta1.zarr", make_tiny(1), mine=range(1))
    result = command("info", "ta1")
    assert result.exit_code == 0, result.stderr
    assert "incomplete: 2 of 3 views are not finished" in result.stdout
    printed = json.loads(command("ls", "--json").stdout)["stores"]
    assert [(one["name"], one["state"], one["views_done"]) for one in printed] == [("ta1", "incomplete", 1)]


def test_info_of_a_guide_of_unknown_accuracy(command: Command, tmp_path: Path, three_guides: list[Path]) -> None:
    with GuideStore.open(three_guides[0]) as store:
        header = dataclasses.replace(store.header, guide=dataclasses.replace(store.header.guide, accuracy=""))
        arrays = {field.name: getattr(store, field.name) for field in dataclasses.fields(IdentityArrays)}
        with GuideStoreWriter(tmp_path / "g.zarr", header, IdentityArrays(**arrays)):
            pass
    result = command("info", str(tmp_path / "g.zarr"))
    assert result.exit_code == 0, result.stderr
    assert "accuracy        -" in result.stdout.splitlines()


def test_info_of_nothing_names_what_is_there(command: Command, workspace: Path, teacher: Path) -> None:
    result = command("info", "techer")
    assert (result.exit_code, result.stdout) == (10, "")
    assert "expected one of teacher, found 'techer'; `dgkd-cache ls`" in result.stderr


def test_models_have_the_sizes_that_torch_counts(command: Command) -> None:
    printed = json.loads(command("models", "--image", "1x28x28", "--classes", "7", "--json").stdout)
    sizes = {row["name"]: row.get("parameters") for row in printed["models"]}
    for name in ("plain2", "resnet8"):
        model = build_model(name, channels=1, classes=7, height=28, width=28, seed=0)
        assert sizes[name] == sum(tensor.numel() for tensor in model.parameters())
    assert "wrn-D-K" in printed["forms"]


def test_one_model_and_an_unknown_one(command: Command) -> None:
    one = command("models", "wrn-16-2")
    assert (one.exit_code, len(one.stdout.splitlines())) == (0, 2)
    unknown = command("models", "resnet9")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "did you mean" in unknown.stderr
    assert command("models", "--image", "32").exit_code == 2
    last = command("models", "--image", "28x32x3")
    assert (last.exit_code, last.stdout) == (2, "") and "has the channels last: write 3x28x32" in last.stderr


@pytest.mark.parametrize(("verb", "do"), [("models", "leave -w out"), ("datasets", "--data-root DIR says where")])
def test_a_workspace_that_is_not_read_is_refused(command: Command, verb: str, do: str) -> None:
    result = command("-w", "demo", verb)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"-w demo would have no effect: `{verb}` reads no workspace" in result.stderr and do in result.stderr


def test_too_small_an_image_is_said_beside_the_model(command: Command) -> None:
    result = command("models", "vgg8", "--image", "3x4x4")
    assert result.exit_code == 1
    assert "the image is too small for vgg8: expected at least 8x8 pixels, found 4x4; choose" in result.stdout
    listed = command("models", "--image", "3x4x4")
    assert listed.exit_code == 0
    lines = {line.split()[0]: " ".join(line.split()) for line in listed.stdout.splitlines() if line}
    assert lines["vgg8"] == "vgg8 - - the image is too small for vgg8: at least 8x8 pixels"
    assert "too small" not in lines["resnet8"]


def test_a_model_of_ones_own_that_fails_is_told_with_its_exception(command: Command, workspace: Path) -> None:
    (workspace / "dgkd_test_nets.py").write_text(
        "from torch import nn\n\n"
        "def r18(*, classes):\n    return nn.Linear(classes, 'x')\n\n"
        "def looks(*, classes):\n    return Looking(nn.Flatten(), nn.LazyLinear(classes))\n\n"
        "class Looking(nn.Sequential):\n"
        "    def forward(self, images):\n        return super().forward(images * (images.sum().item() + 1))\n"
    )
    failed = command("models", "dgkd_test_nets:r18")
    assert failed.exit_code == 1
    assert "the model factory dgkd_test_nets:r18 failed" in failed.stdout and "found TypeError: " in failed.stdout
    assert f"({workspace / 'dgkd_test_nets.py'}, line 4)" in failed.stdout
    asked = json.loads(command("models", "dgkd_test_nets:r18", "--json").stdout)["models"]
    assert asked[0].keys() == {"name", "problem"} and "TypeError" in asked[0]["problem"]
    made = json.loads(command("models", "dgkd_test_nets:looks", "--image", "1x4x4", "--json").stdout)["models"]
    assert made == [{"name": "dgkd_test_nets:looks", "parameters": 17 * 10, "multiply_adds": 16 * 10}]


def test_a_model_that_is_shown_larger_images_is_listed_with_their_size(command: Command) -> None:
    shown = command("models", "torchvision:squeezenet1_1", "--image", "3x32x48")
    assert shown.exit_code == 0 and shown.stdout.rstrip().endswith("input 32x48 -> 224")


def test_datasets(command: Command) -> None:
    listed = command("datasets")
    assert listed.exit_code == 0
    for name in ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "folder:PATH", "module:factory"):
        assert name in listed.stdout
    about = {row["name"]: row["about"] for row in json.loads(command("datasets", "--json").stdout)["datasets"]}
    assert "8x8" in about["digits"] and "32x32" in about["cifar100"]
    assert all(line in listed.stdout for line in about.values())


def test_one_data_set(command: Command) -> None:
    from sklearn.datasets import load_digits

    printed = json.loads(command("datasets", "digits", "--json").stdout)
    assert printed["train"]["samples"] + printed["test"]["samples"] == len(load_digits().target)
    assert printed["image"] == [1, 8, 8]
    assert "1 x 8 x 8" in command("datasets", "digits").stdout
    unknown = command("datasets", "digit")
    assert (unknown.exit_code, unknown.stdout) == (2, "")


def test_doctor(command: Command, workspace: Path) -> None:
    result = command("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert torch.__version__.startswith(found["torch"]["found"])
    assert found["memory mapping"] == {
        "what": "memory mapping",
        "found": "works",
        "state": "ok",
        "do": "",
        "figures": {},
    }
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16") and torch.backends.cpu.get_cpu_capability() == "AVX512"
    auto = found['"auto" on cpu']
    assert auto["figures"] == {"precision": "bf16" if bf16 else "float32", "channels_last": True}
    assert "channels_last = true (AVX" in auto["found"] or not torch.cpu.get_capabilities().get("avx2")
    assert list(workspace.iterdir()) == [workspace / "dgkd.toml"], "the trial files are gone"
    assert "memory mapping" in command("doctor").stdout


def test_doctor_says_what_to_do(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(number: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", no_room)
    result = command("doctor", "--json")
    assert result.exit_code == 1
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert found["memory mapping"]["state"] == "problem"
    assert "No space left" in found["memory mapping"]["found"]


def test_doctor_does_without_what_only_readers_need(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(package: str) -> str:
        if package in ("zarr", "h5py"):
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(doctor_verb, "version", lacking)
    result = command("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert [found[name]["state"] for name in ("zarr", "h5py", "numcodecs")] == ["note", "note", "ok"]
    assert "`pip install zarr`" in found["zarr"]["do"]
    loaded = "import sys, dgkd_stores, dgkd_cache.workspace.tasks\nassert not {'zarr', 'h5py'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded]).returncode == 0
