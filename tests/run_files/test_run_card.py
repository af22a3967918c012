"""The card's own digest and those of the files beside it: as another program computes them, and held."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from support.saved_models import card_of, edit, network, refused, save_network

from dgkd_cache.errors import (
    Damaged,
    DgkdError,
    Incomplete,
    Mismatch,
)
from dgkd_cache.models import (
    load_card,
    load_model,
    save_model,
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_network(tmp_path / "run")


def test_no_model_is_incomplete_and_says_how_to_train_one(tmp_path: Path) -> None:
    message = refused(Incomplete, 3, lambda: load_card(tmp_path / "nothing"))
    assert "expected a file card.json, found none" in message and "dgkd-cache train --model" in message


def test_a_newer_card_and_another_file_are_refused_by_name(saved: Path) -> None:
    edit(saved, version=2)
    assert "version 1, found version 2" in refused(Mismatch, 13, lambda: load_card(saved))
    for other in ("[]", "{}", '{"format": "another", "version": 1}', '{"format": "dgkd-model-card", "version": true}'):
        (saved / "card.json").write_text(other)
        refused(Damaged, 12, lambda: load_card(saved))
    (saved / "card.json").write_bytes(b"\xff{")
    assert "expected JSON" in refused(Damaged, 12, lambda: load_card(saved))


def test_the_digests_in_a_card_are_those_of_other_programs(saved: Path) -> None:
    (saved / "metrics.jsonl").write_text('{"epoch": 0}\n')
    (saved / "inputs.json").write_text("{}\n")
    save_model(saved, network(), card_of(network()))
    card = json.loads((saved / "card.json").read_text(encoding="utf-8"))
    assert sorted(card["files"]) == ["inputs.json", "metrics.jsonl", "weights.safetensors"]
    for name, about in card["files"].items():
        content = (saved / name).read_bytes()
        assert about == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    digest = card.pop("digest")
    assert digest == hashlib.sha256(json.dumps(card, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.mark.parametrize(
    "changes", [{"accuracy": {"test": "0.9999"}}, {"seconds": 1}, {"files": {}}, {"digest": "0" * 64}]
)
def test_a_card_that_was_edited_is_noticed(saved: Path, changes: dict[str, Any]) -> None:
    path = saved / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    assert "expected a card of SHA-256" in refused(Damaged, 12, lambda: load_card(saved))
    refused(Damaged, 12, lambda: load_model(saved))


@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_flipped_bits_of_each_byte_of_a_card_are_noticed(saved: Path, bits: int) -> None:
    """One of each byte, another one in the next, or all. Or it changes white space, which says nothing."""
    path = saved / "card.json"
    content, before = path.read_bytes(), load_card(saved)
    for place in range(len(content)):
        for bit in (number % 8 for number in range(place, place + bits)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            try:
                assert load_card(saved) == before and content[place : place + 1].isspace()
            except DgkdError as error:
                assert error.exit_code == 12
