"""Live guides: the kept models in evaluation mode, their logits divided by the temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.errors import DgkdError
from dgkd_cache.guides.live import LiveGuide, LiveGuides

CPU = torch.device("cpu")
NOTHING = np.empty(0, np.int64)


@pytest.fixture
def guides(make_tiny, as_input) -> tuple[LiveGuide, ...]:
    return tuple(
        LiveGuide(name=name, identity=name * 64, preprocess=as_input, model=make_tiny(seed).train())
        for seed, name in enumerate("abc")
    )


def pixels_of(samples: int) -> torch.Tensor:
    pixels_BIHW = torch.randint(0, 256, (samples, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    return pixels_BIHW.to(torch.uint8)


@pytest.mark.parametrize("kept", [(True, True, True), (False, True, False), (True, False, True)])
def test_softened_logits_of_the_kept_guides_alone(guides, make_tiny, as_input, kept: tuple[bool, ...]) -> None:
    live, pixels_BIHW = LiveGuides(guides, temperature=4.0, classes=4, device=CPU), pixels_of(5)
    rows_KBC = live.begin(NOTHING, NOTHING, np.array(kept)).softened(pixels_BIHW)
    with torch.no_grad():
        expected = [make_tiny(seed)(as_input(pixels_BIHW)) / 4 for seed in range(3) if kept[seed]]
    assert torch.equal(rows_KBC, torch.stack(expected))
    assert not rows_KBC.requires_grad


def test_dropped_guides_are_not_forwarded(guides) -> None:
    for guide in guides:
        guide.model.register_forward_hook(lambda *_: pytest.fail("a dropped guide was forwarded"))
    live = LiveGuides(guides, temperature=4.0, classes=4, device=CPU)
    assert live.begin(NOTHING, NOTHING, np.zeros(3, np.bool_)).softened(pixels_of(5)).shape == (0, 5, 4)


def test_names_and_proofs_in_the_order_of_the_chain(guides) -> None:
    live = LiveGuides(guides, temperature=1.0, classes=4, device=CPU)
    assert live.names == ("a", "b", "c")
    assert list(live.identities.items()) == [("a", "a" * 64), ("b", "b" * 64), ("c", "c" * 64)]


def test_a_guide_that_cannot_be_used_is_told_by_name_before_training(guides, as_input) -> None:
    class Drawing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.rand(len(images), 4)

    wrong = LiveGuide(name="dice", identity="0" * 64, preprocess=as_input, model=Drawing())
    LiveGuides(guides, temperature=1.0, classes=4, device=CPU).rehearse(pixels_of(8))
    with pytest.raises(DgkdError, match="guide 'dice'"):
        LiveGuides([*guides, wrong], temperature=1.0, classes=4, device=CPU).rehearse(pixels_of(8))
