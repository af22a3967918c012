"""The logits in what networks return: tensors, mappings, named tuples, outputs of transformers, tuples."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models.inception import InceptionOutputs

from dgkd_cache.models.outputs import give_logits_alone, logits_in

LOGITS, AUX = torch.zeros(2, 3), torch.ones(2, 3)
OTHER = namedtuple("OTHER", ["aux", "logits"])


@pytest.mark.parametrize(
    "given",
    [
        LOGITS,
        {"loss": AUX, "logits": LOGITS},
        InceptionOutputs(LOGITS, AUX),
        OTHER(AUX, LOGITS),
        SimpleNamespace(logits=LOGITS, hidden_states=None),
        (LOGITS, AUX),
        [LOGITS],
    ],
    ids=lambda given: type(given).__name__,
)
def test_the_rule(given: object) -> None:
    assert logits_in(given) is LOGITS


@pytest.mark.parametrize("given", [{"loss": 1}, (), None, 3])
def test_what_the_rule_does_not_cover_stays(given: object) -> None:
    assert logits_in(given) is given


def test_a_model_gives_logits_alone_and_keeps_its_weights() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.head(pixels)}

    model = Two()
    names = list(model.state_dict())
    before = model(torch.ones(1, 4))["logits"]
    assert torch.equal(give_logits_alone(model)(torch.ones(1, 4)), before)
    assert list(model.state_dict()) == names
