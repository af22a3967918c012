"""The card of a model: what it says, what is refused by name, and that reading it needs no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.saved_models import card_of, edit, network, refused, save_network

from dgkd_cache.errors import Damaged
from dgkd_cache.run_files.model_card import load_card


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_network(tmp_path / "run")


def test_a_card_is_read_without_torch(saved: Path) -> None:
    script = f"""
import sys
from dgkd_cache.run_files.model_card import load_card
print(load_card({str(saved)!r}).model_dump_json())
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == card_of(network()).model_dump_json()


def test_a_card_with_an_unknown_key_is_refused(saved: Path) -> None:
    edit(saved, acuracy={})
    message = refused(Damaged, 12, lambda: load_card(saved))
    assert "acuracy" in message and "expected the keys" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": []},
        {"height": "eight"},
        {"weights_digest": "abc"},
        {"preprocess": {"mean": ["0.5"]}},
        {"preprocess": {"mean": ["0.5"], "std": ["1"], "crop": 3}},
        {"accuracy": {"test": 0.5}},
    ],
)
def test_a_card_with_wrong_values_names_the_key(saved: Path, changes: dict[str, Any]) -> None:
    edit(saved, **changes)
    assert next(iter(changes)) in refused(Damaged, 12, lambda: load_card(saved))
