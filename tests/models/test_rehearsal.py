"""The rehearsal: what cannot be a guide is refused at its first batch, before anything is written."""

from __future__ import annotations

import itertools
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.guide_writers import network, refused
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import stochastic_depth

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.models.rehearsal import Rehearsal
from dgkd_stores import GuideStore

CPU = torch.device("cpu")


def test_a_part_in_training_mode_is_named(write, tmp_path: Path) -> None:
    model = network(nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
    model[2][1].train()
    with pytest.raises(InvalidInput, match=r"'2.1' of guide 'guide' is in training mode.*found Dropout") as caught:
        write(model)
    assert caught.value.exit_code == 2 and "call model.eval() first" in str(caught.value)
    model.eval()
    assert write(model).run().seal


def frozen() -> nn.Module:
    made: nn.Module = torch.jit.freeze(torch.jit.script(network()))
    return made


def exported() -> nn.Module:
    return torch.export.export(network(), (torch.zeros(2, 1, 8, 8),)).module()


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(network(), {nn.Linear}).eval()


def sparse() -> nn.Module:
    model = network()
    model.register_buffer("table", torch.eye(2).to_sparse())
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:torch.quantize")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (frozen, "guide 'guide' has no weights of its own.*torch.jit.freeze.*give the model that was frozen"),
        (exported, r"eval\(\) cannot be called, as torch.export makes it; give the model that was exported"),
        (quantised, "state '1._packed_params.dtype' cannot be saved.*use the model that it was given"),
        (
            lambda: quantised().train(),
            "state '1._packed_params.dtype' cannot be saved.*use the model that it was given",
        ),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(4)).eval(),
            "state '1.weight' cannot be saved.*a lazy layer's, without a size yet; forward one batch",
        ),
        (sparse, "state 'table' cannot be saved.*found a tensor of sparse_coo; use the model as it was before"),
        (lambda: network().to("meta"), "a tensor on the device meta, without values; load the model's weights first"),
    ],
)
def test_a_model_whose_weights_cannot_be_told_is_refused_with_a_way_on(
    write, make: Callable[[], nn.Module], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        write(make())


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(F.dropout(images.flatten(1), 0.5))


def test_functional_dropout_is_refused(write, tmp_path: Path) -> None:
    words = refused(write(Noisy().eval()), tmp_path, "returns different logits for the same images")
    assert "found 32 of 32 rows that differ" in words


def test_random_numbers_are_refused_that_happened_to_change_nothing(write, tmp_path: Path, as_input) -> None:
    """Stochastic depth leaves most passes as they are."""
    model = network()

    def forward(pixels: Tensor) -> Tensor:
        return stochastic_depth(model(as_input(pixels)), 1e-9, "batch")

    refused(
        write(model, forward),
        tmp_path,
        "found random numbers that it draws, though these two passes gave the same; remove",
    )


@pytest.mark.parametrize("draw", [np.random.rand, random.random], ids=["numpy", "python"])
def test_random_numbers_of_other_libraries_are_seen_too(write, tmp_path: Path, as_input, draw) -> None:
    model, numpys, pythons = network(), np.random.get_state(), random.getstate()

    def forward(pixels: Tensor) -> Tensor:
        return model(as_input(pixels)) + (1.0 if draw() < 1e-9 else 0.0)

    try:
        refused(write(model, forward), tmp_path, "found random numbers that it draws")
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


@pytest.mark.parametrize(
    ("forward", "found"),
    [
        (lambda model: model, "RuntimeError: mat1 and mat2 must have the same dtype"),
        (
            lambda model: lambda pixels: model(pixels / 255).logits,
            "AttributeError: .*'logits'.*test_rehearsal.py, l",
        ),
        (lambda model: lambda: model, "TypeError: .*takes 0 positional arguments"),
        (lambda model: lambda pixels: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_what_a_forward_pass_raises_is_told_with_a_way_on(write, tmp_path: Path, forward, found: str) -> None:
    model = network()
    words = refused(write(model, forward(model)), tmp_path, f"the forward pass of guide 'guide' fails: .*{found}")
    assert "one tensor, uint8 [32, 1, 8, 8] on cpu" in words
    assert write(model, eval(re.findall("lambda pixels: .*", words)[0], {"model": model})).run().seal


def test_a_lack_of_memory_stays_what_it_is(write, as_input) -> None:
    def forward(pixels: Tensor) -> Tensor:
        raise MemoryError

    with pytest.raises(MemoryError):
        write(network(), forward).run()


def test_a_guide_that_counts_its_calls_is_refused(write, tmp_path: Path, as_input) -> None:
    model, calls = network(), []

    def forward(pixels: Tensor) -> Tensor:
        calls.append(1)
        return model(as_input(pixels)) + len(calls) * 2.0**-20

    refused(write(model, forward), tmp_path, "returns different logits for the same images")
    assert len(calls) == 3  # once more, to be sure that it is not the noting of calls that changes a compiled model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_probabilities_are_refused_unless_they_are_accepted(write, tmp_path: Path, as_input, dtype) -> None:
    model = network(nn.Softmax(1)).to(dtype)
    settings = {"forward": lambda pixels: model(as_input(pixels).to(dtype))}
    words = refused(write(model, **settings), tmp_path, "gives probabilities")
    assert "say accept_probabilities (= true in table [cache]" in words and "=True in your own program" in words
    path = write(model, **settings, encoding="float32", temperature=1.0, accept_probabilities=True).run().path
    with GuideStore.open(path) as store:
        np.testing.assert_allclose(store.test_logits_MC.sum(1), 1, atol=2**-8)
        assert "accept" not in store.header.canonical.decode()


def rehearsed(logits_BC: Tensor, classes: int | None = None, device: str = "cpu", **again: Tensor) -> Tensor:
    given = itertools.chain([logits_BC], itertools.cycle([again.get("again", logits_BC), logits_BC]))
    rehearsal = Rehearsal(
        nn.Identity(), what="guide g", device=torch.device(device), precision="float32", classes=classes
    )
    return rehearsal(lambda _: next(given), lambda forward: forward(torch.empty(0)), batch=len(logits_BC))


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0], [1.0]],  # one class
        [[0.5, 0.5], [0.5, 0.6]],
        [[0.25, 0.75], [2.0, -1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ],
)
def test_what_is_no_sign_of_probabilities(rows: list[list[float]]) -> None:
    assert rehearsed(torch.tensor(rows)).tolist() == torch.tensor(rows).tolist()


def test_log_probabilities_are_logits() -> None:
    assert rehearsed(torch.tensor([[0.2, 0.8], [0.5, 0.5]]).log()).shape == (2, 2)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda rows: (rows, rows), "found an object of type tuple"),
        (lambda rows: {"logits": rows}, "found an object of type dict"),
        (lambda rows: rows[0], r"found float32 \[4\]"),
        (lambda rows: rows[None], r"found float32 \[1, 32, 4\]"),
        (lambda rows: rows[1:], r"found float32 \[31, 4\]"),
        (lambda rows: rows.argmax(1, keepdim=True), r"found int64 \[32, 1\]"),
    ],
)
def test_a_forward_pass_that_returns_no_logits(write, tmp_path: Path, as_input, given, found: str) -> None:
    model = network()
    writer = write(model, lambda pixels: given(model(as_input(pixels))))
    words = refused(writer, tmp_path, rf"returns no logits: expected a tensor of numbers \[32, 4\], {found}")
    assert "return the logits alone" in words


def test_a_later_batch_that_is_squeezed_is_refused(write, tmp_path: Path, as_input) -> None:
    model = network()
    writer = write(model, lambda pixels: model(as_input(pixels)).squeeze(0), batch_size=39)  # 40 test images
    refused(writer, tmp_path, r"expected a tensor of numbers \[1, 4\], found float32 \[4\]")


def test_other_classes_are_told_at_the_first_batch(write, tmp_path: Path, as_input) -> None:
    model, batches = network(classes=3), []

    def forward(pixels: Tensor) -> Tensor:
        batches.append(len(pixels))
        return model(as_input(pixels))

    words = refused(write(model, forward), tmp_path, "a different number of classes than the data set", Mismatch)
    assert "expected logits of 4 classes, found logits of 3 classes" in words and batches == [32]


def test_elsewhere_logits_may_differ_within_their_tolerance() -> None:
    logits_BC = torch.tensor([[100.0, -3.0], [0.5, 2.0]])
    near, far = logits_BC + torch.tensor([[0.9, 0.0], [0.0, 0.01]]), logits_BC + torch.tensor([[0.0, 0.0], [0.03, 0.0]])
    assert torch.equal(rehearsed(logits_BC, device="cuda", again=near), near)
    with pytest.raises(InvalidInput, match=r"expected logits within 1% of a row's largest one.*found 1 of 2 rows"):
        rehearsed(logits_BC, device="cuda", again=far)
    with pytest.raises(InvalidInput, match="expected the same bits each time, found 2 of 2 rows"):
        rehearsed(logits_BC, again=near)


def test_live_guides_are_rehearsed_too(as_input) -> None:
    images = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)

    def live(model: nn.Module, **settings) -> LiveGuides:
        guide = LiveGuide(name="ta1", identity="0" * 64, preprocess=as_input, model=model)
        return LiveGuides([guide], temperature=4.0, device=CPU, **{"classes": 4, **settings})

    live(network()).rehearse(images)
    with pytest.raises(InvalidInput, match="guide 'ta1' returns different logits"):
        live(Noisy()).rehearse(images + 1)
    with pytest.raises(Mismatch, match="different number of classes"):
        live(network(), classes=5).rehearse(images)
    with pytest.raises(InvalidInput, match="guide 'ta1' gives probabilities"):
        live(network(nn.Softmax(1))).rehearse(images)
    live(network(nn.Softmax(1)), accept_probabilities=True).rehearse(images)
