"""The description of the compute environment: it names what changes logits, and nothing of the moment."""

from __future__ import annotations

import importlib.metadata
import platform

import torch

from dgkd_cache.device.environment import describe


def test_a_processor_is_described_by_what_changes_logits() -> None:
    found = describe(torch.device("cpu"), "float32")
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torchvision")}
    assert found["device"] == f"cpu {platform.machine()}" and found["precision"] == "float32"
    assert set(found) == {"device", "capability", "precision", "torch", "torchvision", "numpy"}
    assert found["numpy"] == versions["numpy"]
    assert str(found["torchvision"]).split("+")[0] == versions["torchvision"].split("+")[0]


def test_the_precision_is_the_only_difference_on_one_machine() -> None:
    full, half = (describe(torch.device("cpu"), precision) for precision in ("float32", "bf16"))
    assert full | {"precision": "bf16"} == half
