"""The last linear layer of a guide: found by its outputs, and its basis spans its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.dump.linear_head import find_linear_head, linear_width, shared_arrays
from dgkd_cache.errors import InvalidInput


def network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), *layers)


def test_the_last_layer_of_these_outputs_is_the_head() -> None:
    last = nn.Linear(3, 4)
    model = network(nn.Linear(4, 3), last, nn.Dropout(0.5))
    assert find_linear_head(model, 4, what="it") is last
    assert (linear_width(model, 4), linear_width(model, 3), linear_width(model, 5)) == (3, 3, None)
    assert linear_width(network(), 4) == 4, "never more coefficients than classes"


def test_a_model_without_one_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match="guide 'x' does not end in a linear layer.*no linear layer of 9 outputs"
    ) as e:
        find_linear_head(network(nn.ReLU()), 9, what="guide 'x'")
    assert e.value.exit_code == 2 and "float16" in e.value.do
    with pytest.raises(InvalidInput, match="no linear layer of 4 outputs; the last part is"):
        find_linear_head(nn.Conv2d(1, 4, 8), 4, what="it")


@pytest.mark.parametrize("bias", [True, False])
def test_the_basis_is_orthonormal_and_spans_the_weights(bias: bool) -> None:
    torch.manual_seed(0)
    head = nn.Linear(5, 40, bias=bias)
    shared = shared_arrays(head, temperature=4.0, precision="float32")
    basis_CD, weight_CD = shared["basis"].astype(np.float64), head.weight.detach().double().numpy()
    assert basis_CD.shape == (40, 5) and shared["basis"].dtype == shared["bias"].dtype == np.float32
    assert np.abs(basis_CD.T @ basis_CD - np.eye(5)).max() < 1e-6
    assert np.abs(basis_CD @ (basis_CD.T @ weight_CD) - weight_CD).max() < 1e-6
    expected = head.bias.detach().numpy() / 4 if bias else np.zeros(40)
    assert np.abs(shared["bias"] - expected).max() < 1e-7


def test_under_bf16_the_basis_is_of_the_weights_that_are_used() -> None:
    torch.manual_seed(0)
    head = nn.Linear(5, 40)
    shared = shared_arrays(head, temperature=1.0, precision="bf16")
    used = head.weight.detach().bfloat16().double().numpy()
    basis_CD = shared["basis"].astype(np.float64)
    assert np.abs(basis_CD @ (basis_CD.T @ used) - used).max() < 1e-6
    assert (shared["bias"] == head.bias.detach().bfloat16().float().numpy()).all()


def test_it_is_the_same_on_any_number_of_threads() -> None:
    head, before = nn.Linear(64, 500), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(shared_arrays(head, temperature=4.0, precision="float32")["basis"].tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
