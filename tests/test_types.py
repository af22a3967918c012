"""A type checker sees the public names in a script of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = """
from pathlib import Path
from torch import nn
import dgkd_cache as dgkd

data = dgkd.load_dataset("digits")
bank = dgkd.GuideBank(["a.zarr"], data.train)
for batch in bank.loader(batch_size=128, epochs=3):
    reveal_type(batch.softened)
    reveal_type(batch.step)
    batch.loss(batch.softened[0], objective="papr")
reveal_type(dgkd.__version__)
reveal_type(dgkd.run_chain(dgkd.Workspace.open("x"))[0].accuracy)
reveal_type(dgkd.register_model(smallest=8))
reveal_type(dgkd.register_dataset(transforms=["none"]))
@dgkd.register_dataset
def mine(*, root: Path | None, download: bool) -> dgkd.Dataset: return dgkd.load_dataset('digits')
@dgkd.register_model
def tiny(*, channels: int, classes: int, height: int, width: int) -> nn.Module: return nn.Linear(8, 8)
reveal_type(tiny)
dgkd.GuideBank(["a.zarr"], data.train, viws=range(3))
dgkd.register_model("tiny")
"""
KINDS = (
    *("Tensor", "int", "str", "None"),
    *(
        "def (dgkd_cache.models.registry.ModelFactory) ->",
        "def (dgkd_cache.datasets.registry.Loader) ->",
        "ModelFactory",
    ),
)


@pytest.mark.slow
def test_a_type_checker_sees_the_types_of_the_loader_and_a_word_that_is_wrong(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", str(script)]
    done = subprocess.run([*command, "--cache-dir", str(tmp_path / "cache")], cwd=ROOT, capture_output=True, text=True)
    found = [line.partition("script.py:")[2] for line in done.stdout.splitlines()]
    revealed = [line.split('"')[1] for line in found if "Revealed type" in line]
    assert len(revealed) == 7 and "Any" not in revealed
    assert all(kind in text for kind, text in zip(KINDS, revealed, strict=True)), revealed
    errors = [line for line in found if "error" in line]
    assert len(errors) == 3 and 'Argument "objective" to "loss"' in errors[0]
    assert 'Unexpected keyword argument "viws" for "GuideBank"' in errors[1]
    assert 'No overload variant of "register_model" matches argument type "str"' in errors[2]
