"""Importance against a loop in plain Python, and exactly which weights a sparsity keeps."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.importance import gradient_importance, kept_weights, magnitudes
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

CPU = torch.device("cpu")


def inputs_of(bars, plan, *, batch_size: int = 4, seed: int = 3) -> StepInputs:
    random = RunRandom(seed)
    return StepInputs(
        views=ViewRenderer(plan, bars.train),
        samples_N=np.arange(10),
        schedule=Schedule("cycle", 3, random=random, samples=100),
        random=random,
        guidance=None,
        dropping=Dropping(kind="none"),
        batch_size=batch_size,
        order="shuffled",
        workers=0,
        device=CPU,
    )


def cross_entropy(batch, logits_BC: Tensor) -> Tensor:
    return F.cross_entropy(logits_BC, batch.labels)


def by_hand(weight: list[list[float]], bias: list[float], batches: list[tuple[list[list[float]], list[int]]]):
    """The sum over batches of |weight x gradient| of a linear layer's mean cross-entropy, with floats of Python."""
    classes, pixels = len(weight), len(weight[0])
    total = [[0.0] * pixels for _ in range(classes)]
    for images, labels in batches:
        gradient = [[0.0] * pixels for _ in range(classes)]
        for image, label in zip(images, labels, strict=True):
            logits = [
                sum(w * x for w, x in zip(row, image, strict=True)) + b for row, b in zip(weight, bias, strict=True)
            ]
            most = max(logits)
            powers = [math.exp(one - most) for one in logits]
            for c in range(classes):
                error = powers[c] / sum(powers) - (c == label)
                for i in range(pixels):
                    gradient[c][i] += error * image[i] / len(images)
        for c in range(classes):
            for i in range(pixels):
                total[c][i] += abs(weight[c][i] * gradient[c][i])
    return total


def test_importance_is_that_of_plain_python(bars, plan, as_input) -> None:
    """Three batches of four, four and two samples, the last one of the first epoch, then one of the second."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    inputs = inputs_of(bars, plan)
    found = gradient_importance(model, as_input, inputs, steps=4, loss=cross_entropy)
    assert list(found) == ["1.weight"] and found["1.weight"].dtype == torch.float64
    batches = [
        (as_input(batch.pixels).flatten(1).double().tolist(), batch.labels.tolist()) for batch in inputs.prefetch(0, 4)
    ]
    assert [len(labels) for _, labels in batches] == [4, 4, 2, 4]
    layer = model[1]
    expected = by_hand(layer.weight.double().tolist(), layer.bias.double().tolist(), batches)
    assert np.allclose(found["1.weight"].numpy(), expected, rtol=1e-4, atol=1e-9)
    # The signs are lost step by step, not in the end: |sum| is something else.
    assert not np.allclose(
        found["1.weight"].numpy(),
        by_hand(layer.weight.double().tolist(), layer.bias.double().tolist(), batches[:1]),
        rtol=1e-2,
    )


def test_the_model_is_left_as_it_was(bars, plan, as_input) -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(108, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    first = gradient_importance(model, as_input, inputs_of(bars, plan), steps=3, loss=cross_entropy)
    assert list(first) == ["0.weight", "4.weight"], "batch norm and biases are not judged"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    again = gradient_importance(model, as_input, inputs_of(bars, plan), steps=3, loss=cross_entropy)
    assert all(torch.equal(first[name], again[name]) for name in first), "no dropout, whatever the mode was"
    other = gradient_importance(model, as_input, inputs_of(bars, plan, seed=4), steps=3, loss=cross_entropy)
    assert not torch.equal(first["4.weight"], other["4.weight"]), "another seed has other batches"


def test_a_stop_and_a_loss_that_is_no_number(bars, plan, as_input) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(Interrupted, match="importance was stopped"):
        gradient_importance(model, as_input, inputs_of(bars, plan), steps=2, loss=cross_entropy, stop=lambda: True)
    with pytest.raises(DgkdError, match=r"the importance of 1.weight is not finite"):
        gradient_importance(
            *(model, as_input, inputs_of(bars, plan)), steps=1, loss=lambda _, logits_BC: (logits_BC * math.nan).sum()
        )


def test_magnitudes_are_the_absolute_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=True), nn.BatchNorm1d(2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.5, -2.0], [-0.25, 0.0]]))
    assert {name: value.tolist() for name, value in magnitudes(model).items()} == {
        "0.weight": [[0.5, 2.0], [0.25, 0.0]]
    }


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.25, 0.5, 0.95, 0.999])
def test_exactly_the_share_is_removed_and_the_least_important(sparsity: float) -> None:
    torch.manual_seed(1)
    importance = {"a": torch.rand(7, 11).double(), "b": torch.rand(3, 2, 5).double()}
    keep = kept_weights(importance, sparsity)
    every = sorted(torch.cat([value.reshape(-1) for value in importance.values()]).tolist())
    every.append(math.inf)  # where all are removed
    removed = round(Fraction(str(sparsity)) * 107)
    assert sum(int((~mask).sum()) for mask in keep.values()) == removed
    for name, mask in keep.items():
        assert mask.shape == importance[name].shape
        assert all(
            (value >= every[removed]) is kept
            for value, kept in zip(importance[name].reshape(-1).tolist(), mask.reshape(-1).tolist(), strict=True)
        )


def test_equal_weights_go_in_the_order_of_layers_and_elements() -> None:
    importance = {
        "z": torch.tensor([[1.0, 0.0], [1.0, 2.0]]).double(),
        "a": torch.tensor([0.0, 1.0, 1.0, 3.0]).double(),
    }
    found = {s: {name: mask.int().tolist() for name, mask in kept_weights(importance, s).items()} for s in (0.25, 0.5)}
    assert found[0.25] == {"z": [[1, 0], [1, 1]], "a": [0, 1, 1, 1]}
    assert found[0.5] == {"z": [[0, 0], [0, 1]], "a": [0, 1, 1, 1]}
    transposed = {"a": torch.zeros(3, 2).double().t()}
    assert kept_weights(transposed, 0.5)["a"].int().tolist() == [[0, 0, 0], [1, 1, 1]], "in C order of the sizes"
