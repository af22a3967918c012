"""Good run files for the fuzzer to start from, and changes to them that know their structure."""

from __future__ import annotations

import json
import random
from typing import Any

from support.mutations import as_json, mutate, mutate_text

from hostile_runs.fuzz_targets import digested

__all__ = ["GOOD", "changed"]

CARD: dict[str, Any] = {
    "format": "dgkd-model-card",
    "version": 1,
    "name": "teacher",
    "architecture": "plain2",
    "classes": ["ant", "bee"],
    "preprocess": {"mean": ["0.35"], "std": ["0.25"]},
    "views": {"count": 2, "schedule": "cycle"},
    "accuracy": {"test": "0.975"},
    "seconds": 0.5,
    "files": {name: {"bytes": 10, "sha256": "0" * 64} for name in ("weights.safetensors", "inputs.json")},
}
INPUTS = {"architecture": '"plain2"', "training.epochs": "2", "training.lr": "0.1", "guides.teacher": f'"{"0" * 64}"'}
METRICS = [{"epoch": epoch, "step": 3 * epoch + 3, "loss": 1.5, "accuracy": 0.25, "lr": 0.1} for epoch in range(3)]
HEADER: dict[str, Any] = {
    "conv.weight": {"dtype": "F32", "shape": [2, 1, 3], "data_offsets": [0, 24]},
    "norm.count": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]},
    "norm.none": {"dtype": "F16", "shape": [0, 4], "data_offsets": [32, 32]},
}
CHECKPOINT = {"__metadata__": {"dgkd": json.dumps({"record": {"step": 3}, "optimizer_scalars": {}})}, **HEADER}


def of_tensors(header: Any, content: bytes) -> bytes:
    """A safetensors file."""
    text = as_json(header)
    return len(text).to_bytes(8, "little") + text + content


GOOD = {
    "card": as_json({**CARD, "digest": digested(CARD)}),
    "inputs": as_json(INPUTS),
    "metrics": b"".join(as_json(line) + b"\n" for line in METRICS),
    "weights": of_tensors(HEADER, bytes(range(32))),
    "checkpoint": of_tensors(CHECKPOINT, bytes(range(32))),
}
"""By target."""


def changed(target: str, data: bytes, seed: int) -> bytes:
    """Another file made from `data`, or from the good one, by a change that the seed draws."""
    chance = random.Random(seed)
    source = data if data and chance.randrange(4) else GOOD[target]
    if chance.randrange(4) == 0:
        return mutate_text(source, chance)
    try:
        match target:
            case "weights" | "checkpoint":
                return changed_tensors(source, chance)
            case "metrics":
                return changed_lines(source, chance)
        return as_json(changed_object(json.loads(source), chance))
    except (ValueError, RecursionError, TypeError, AttributeError):
        return GOOD[target]  # no longer of that form


def changed_object(value: Any, chance: random.Random) -> Any:
    """Half of the cards have a digest that fits."""
    made = mutate(value, chance)
    if isinstance(made, dict) and "digest" in made and chance.randrange(2):
        made["digest"] = digested({key: one for key, one in made.items() if key != "digest"})
    return made


def changed_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines() or GOOD["metrics"].splitlines()
    at = chance.randrange(len(lines))
    if chance.randrange(3):
        lines[at] = as_json(mutate(json.loads(lines[at]), chance))
    else:
        lines[at : at + 1] = [lines[at]] * chance.choice([0, 2])
    return b"\n".join(lines) + chance.choice([b"\n", b"\n", b"\n", b""])


def changed_tensors(data: bytes, chance: random.Random) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header, content = json.loads(data[8 : 8 + length]), data[8 + length :]
    if chance.randrange(4):
        header = mutate(header, chance)
    if chance.randrange(2):
        content = content[: chance.choice([len(content), len(content) - 1, 0])] + bytes(chance.choice([0, 0, 0, 1, 4]))
    made = of_tensors(header, content)
    if chance.randrange(8) == 0:
        # A length that lies.
        made = (length + chance.choice([-1, 1, 2**20, 2**62])).to_bytes(9, "little")[:8] + made[8:]
    return made
