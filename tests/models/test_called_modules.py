"""A guide's forward pass uses its own model's weights, and leaves buffers and images as they are."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.guide_writers import network, refused
from torch import Tensor, nn
from torch.nn import functional as F

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.rehearsal import Rehearsal
from dgkd_stores import GuideStore

CPU = torch.device("cpu")


class Collecting(nn.Module):
    def __init__(self, *, persistent: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 4)
        self.register_buffer("seen", torch.zeros(0), persistent=persistent)

    def forward(self, images: Tensor) -> Tensor:
        self.seen = torch.cat([self.seen, images.mean()[None]])
        return self.linear(images.flatten(1))


@pytest.mark.parametrize("persistent", [False, True])
def test_a_buffer_that_grows_is_refused(write, tmp_path: Path, persistent: bool) -> None:
    words = refused(write(Collecting(persistent=persistent).eval()), tmp_path, r"changes the buffer Collecting\.seen")
    assert "another size" in words and "take out of the model what counts or collects from pass to pass" in words


def test_another_model_is_refused_and_a_copy_is_another(write, tmp_path: Path, as_input) -> None:
    model, other = network(), network(nn.ReLU())
    for used in (other, copy.deepcopy(model)):
        writer = write(model, lambda pixels, used=used: used(as_input(pixels)))
        words = refused(writer, tmp_path, "uses another model")
        assert "give the model that the forward pass calls" in words


def test_a_forward_pass_that_calls_no_module_uses_the_weights_all_the_same(write, tmp_path: Path, as_input) -> None:
    model, other = network(), network(nn.ReLU())
    copied = {name: value.detach().clone() for name, value in model.named_parameters()}
    for weights in (dict(other.named_parameters()), copied):
        writer = write(model, lambda pixels, own=weights: torch.func.functional_call(model, own, (as_input(pixels),)))
        words = refused(writer, tmp_path, "uses another model")
        assert "expected use of the weights of the Sequential" in words and "no operation on any weight" in words
    writer = write(model, lambda pixels: F.linear((pixels.float() / 255).flatten(1), other[1].weight.detach()))
    assert "found calls of no module" in refused(writer, tmp_path, "uses another model")
    own = {name: value.detach() for name, value in model.named_parameters()}
    assert write(model, lambda pixels: torch.func.functional_call(model, own, (as_input(pixels),))).run().seal


def test_a_forward_pass_that_changes_its_images_is_refused(write, tmp_path: Path, as_input) -> None:
    model = network()
    writer = write(model, lambda pixels: model(as_input(pixels.bitwise_not_())))
    words = refused(writer, tmp_path, "the forward pass of guide 'guide' changes the images that it is given")
    assert "do not use operations in place on them" in words
    assert write(model, lambda pixels: model(as_input(pixels.bitwise_not()))).run().seal


def test_parameters_beside_the_model_are_refused(write, tmp_path: Path, as_input) -> None:
    model, head = network(), nn.Linear(4, 4).eval()

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return head(model(as_input(pixels)))

    writer = write(model, forward)
    assert "found calls of Linear outside the model" in refused(writer, tmp_path, "parameters that are not the model's")
    assert write(nn.ModuleList([model, head]).eval(), forward).run().seal


def test_the_model_may_be_wrapped_compiled_shared_or_called_by_its_parts(write, tmp_path: Path, as_input) -> None:
    model, shared = network(), network()
    shared[1].weight, shared[1].bias = (nn.Parameter(parameter.data) for parameter in model.parameters())
    expected = None
    for forward in (
        nn.Sequential(as_input, model),  # in training mode itself, which holds no part of the model there
        torch.compile(nn.Sequential(as_input, model), backend="eager"),
        lambda pixels: shared(as_input(pixels)),
        lambda pixels: model[1](as_input(pixels).flatten(1)),
        lambda pixels: F.linear((pixels.float() / 255 - 0.35).flatten(1), model[1].weight, model[1].bias),
    ):
        model.eval()
        path = write(model, forward).run().path
        with GuideStore.open(path) as store:
            rows = store.test_logits_MC
        expected = rows if expected is None else expected
        np.testing.assert_allclose(rows, expected, rtol=1e-3)
        path.rename(path.with_name(f"{len(list(path.parent.iterdir()))}.zarr"))


def test_buffers_of_the_model_and_of_what_it_calls_stay_as_they_are(write, tmp_path: Path, bars, as_input) -> None:
    model, norm = network(), nn.BatchNorm2d(1, affine=False)
    words = refused(write(model, lambda pixels: model(norm(as_input(pixels)))), tmp_path, "changes the buffer")
    assert "BatchNorm2d.running_mean" in words
    norm.eval()
    assert write(model, lambda pixels: model(norm(as_input(pixels)))).run().seal

    class Own(nn.Module):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 4)
            self.register_buffer("seen", torch.full((1,), torch.nan))

        def forward(self, images: Tensor) -> Tensor:
            self.seen = self.seen if counted is None else torch.ones(1)
            return self.linear(images.flatten(1))

    counted = None
    model = Own().eval()
    rehearsal = Rehearsal(model, what="mine", device=CPU, precision="float32")
    images = torch.zeros(3, 1, 8, 8)
    assert rehearsal(model, lambda forward: forward(images), batch=3).shape == (3, 4)
    assert rehearsal.done
    counted = 1
    with pytest.raises(InvalidInput, match=r"changes the buffer Own.seen"):
        Rehearsal(model, what="mine", device=CPU, precision="float32")(model, lambda forward: forward(images), batch=3)


class Cached(nn.Module):
    """Scales images by a buffer that the first pass fills, as masks and tables of positions are."""

    def __init__(self, before: Tensor | None, *, persistent: bool) -> None:
        super().__init__()
        self.register_buffer("scale", before, persistent=persistent)
        self.filled = False

    def forward(self, images: Tensor) -> Tensor:
        if not self.filled:
            self.scale, self.filled = torch.full((64,), 2.0), True
        return images.flatten(1) * self.scale


@pytest.mark.parametrize("before", [None, torch.empty(0), torch.zeros(64)])
def test_a_cache_that_the_first_pass_fills(write, tmp_path: Path, as_input, before: Tensor | None) -> None:
    kept = nn.Sequential(Cached(before, persistent=True), nn.Linear(64, 4)).eval()
    words = refused(write(kept), tmp_path, r"changes the buffer 0\.scale")
    assert "persistent=False" in words
    cache, norm, model = Cached(before, persistent=True), nn.BatchNorm2d(1, affine=False), network()
    writer = write(model, lambda pixels: model(cache(norm(as_input(pixels)))))
    refused(writer, tmp_path, r"changes the buffer BatchNorm2d\.running_mean")
    own = nn.Sequential(Cached(before, persistent=False), nn.Linear(64, 4)).eval()
    assert write(own).run().seal
    shutil.rmtree(tmp_path / "guides")
    beside = Cached(before, persistent=True).eval()  # in no state that a digest was taken of
    assert write(model, lambda pixels: model(beside(as_input(pixels)))).run().seal
