"""`models`: the known networks, their sizes for an image, and why one does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_cache.models.registry import build_model

Command = Callable[..., Result]


def words(text: str) -> str:
    return " ".join(text.split())


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


def test_too_small_an_image_is_said_beside_the_model(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = command("models", "vgg8", "--image", "3x4x4")
    assert result.exit_code == 1
    assert "the image is too small for vgg8: expected at least 8x8 pixels, found 4x4; choose" in words(result.stdout)
    listed = command("models", "--image", "3x4x4")
    assert listed.exit_code == 0
    lines = {line.split()[0]: " ".join(line.split()) for line in listed.stdout.splitlines() if line}
    assert "vgg8 - - the image is too small for vgg8: at least 8x8 pixels" in words(listed.stdout)
    assert max(map(len, listed.stdout.splitlines())) <= 80
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
    shown = words(failed.stdout)
    assert "the model factory dgkd_test_nets:r18 failed" in shown and "found TypeError: " in shown
    assert f"({workspace / 'dgkd_test_nets.py'}, line 4)" in shown
    asked = json.loads(command("models", "dgkd_test_nets:r18", "--json").stdout)["models"]
    assert asked[0].keys() == {"name", "problem"} and "TypeError" in asked[0]["problem"]
    made = json.loads(command("models", "dgkd_test_nets:looks", "--image", "1x4x4", "--json").stdout)["models"]
    assert made == [{"name": "dgkd_test_nets:looks", "parameters": 17 * 10, "multiply_adds": 16 * 10}]


def test_a_model_that_is_shown_larger_images_is_listed_with_their_size(command: Command) -> None:
    shown = command("models", "torchvision:squeezenet1_1", "--image", "3x32x48")
    assert shown.exit_code == 0 and shown.stdout.rstrip().endswith("input 32x48 -> 224")
