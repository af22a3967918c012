"""Masks: what was removed stays zero under every optimiser, and masks survive a checkpoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dgkd_cache.training.masks import Masks


def two_layers() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def keep() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {"0.weight": torch.rand(3, 1, 3, 3) > 0.4, "3.weight": torch.rand(2, 12) > 0.7}


@pytest.mark.parametrize("kind", ["sgd", "nesterov", "adamw"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_removed_weights_stay_zero_whatever_moves_them(kind: str, memory: torch.memory_format) -> None:
    """Momentum that was gathered before the mask, weight decay, and gradients that are not zero."""
    model = two_layers().to(memory_format=memory)
    options = {"lr": 0.1, "weight_decay": 0.1}
    if kind == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), **options)
    else:
        optimizer = torch.optim.SGD(model.parameters(), momentum=0.9, nesterov=kind == "nesterov", **options)
    masks, kept = Masks(model, keep()), keep()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 1, 4, 4)).square().sum().backward()
        masks.mask_gradients()
        optimizer.step()
        masks.apply()
    weights = dict(model.named_parameters())
    for name, mask in kept.items():
        assert torch.equal(weights[name][~mask], torch.zeros(int((~mask).sum()))), name
        assert not torch.signbit(weights[name][~mask]).any(), "0 and no -0"
        assert (weights[name][mask] != before[name][mask]).all()
        moved = optimizer.state[weights[name]]["exp_avg" if kind == "adamw" else "momentum_buffer"]
        assert (moved[~mask] == 0).all() and (moved[mask] != 0).any()
    assert (weights["3.bias"] != before["3.bias"]).all(), "biases are trained"
    assert masks.kept == {name: (int(mask.sum()), mask.numel()) for name, mask in kept.items()}


def test_without_masking_gradients_momentum_would_gather() -> None:
    model = two_layers()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks = Masks(model, keep())
    model(torch.randn(4, 1, 4, 4)).square().sum().backward()
    optimizer.step()
    removed = ~keep()["3.weight"]
    assert (dict(model.named_parameters())["3.weight"][removed] != 0).any()
    assert (optimizer.state[model[3].weight]["momentum_buffer"][removed] != 0).any()
    masks.apply()
    assert (model[3].weight[removed] == 0).all()


def test_masks_of_all_weights_change_no_bit() -> None:
    model, same = two_layers(), two_layers()
    with torch.no_grad():
        model[3].weight[0, :2] = torch.tensor([-0.0, 1e-45])
        same[3].weight[0, :2] = torch.tensor([-0.0, 1e-45])
    Masks(model, {name: torch.ones_like(mask) for name, mask in keep().items()})
    for (_, one), (_, other) in zip(model.named_parameters(), same.named_parameters(), strict=True):
        assert torch.equal(one.detach().view(torch.int32), other.detach().view(torch.int32))


def test_state_and_back() -> None:
    first, second = Masks(two_layers(), keep()), two_layers()
    state = first.state()
    assert {name: bits.shape for name, bits in state.items()} == {"0.weight": (4,), "3.weight": (3,)}
    bits = "".join(f"{byte:08b}"[::-1] for byte in state["3.weight"].tolist())
    assert bits == "".join(str(int(kept)) for kept in keep()["3.weight"].reshape(-1).tolist())
    restored = Masks(second, {name: torch.ones_like(mask) for name, mask in keep().items()})
    restored.load_state(state)
    assert restored.kept == first.kept
    assert (second[3].weight[~keep()["3.weight"]] == 0).all()
    with pytest.raises(ValueError, match="a mask of 0.weight of another size"):
        restored.load_state(state | {"0.weight": state["3.weight"]})
    with pytest.raises(LookupError):
        restored.load_state({"0.weight": state["0.weight"]})
