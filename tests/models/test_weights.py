"""The digest of weights: what its description says, and what it sees."""

from __future__ import annotations

import hashlib
import struct

import torch
from support.saved_models import refused
from torch import nn

from dgkd_cache.errors import (
    InvalidInput,
)
from dgkd_cache.models import weights_digest
from dgkd_cache.models.registry import build_model


def test_weights_digest_is_what_its_description_says() -> None:
    model = nn.Sequential()
    model.register_buffer("b", torch.tensor(7))
    model.register_parameter("a", nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 0.0]])))
    content = b"a\0float32\0" + struct.pack("<3q", 2, 2, 2) + struct.pack("<4f", 1, -2, 0.5, 0)
    content += b"b\0int64\0" + struct.pack("<q", 0) + struct.pack("<q", 7)
    assert weights_digest(model) == hashlib.sha256(content).hexdigest()


def test_weights_digest_does_not_see_the_layout_but_sees_one_changed_bit() -> None:
    model = build_model("resnet8", channels=3, classes=10, height=8, width=8, seed=0)
    digest = weights_digest(model)
    model = model.to(memory_format=torch.channels_last)
    assert weights_digest(model) == digest
    with torch.no_grad():
        model.get_parameter("classifier.bias")[3] += 1e-6
    assert weights_digest(model) != digest


def test_state_that_is_no_tensor_is_refused() -> None:
    class Remembering(nn.Linear):
        def get_extra_state(self) -> object:
            return {"anything": 1}

    refused(InvalidInput, 2, lambda: weights_digest(Remembering(2, 2)))
