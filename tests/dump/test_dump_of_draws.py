"""Dumps of draws: the same masks in any batch, thread, share and resumption; what cannot be drawn is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.drawn_models import MaskOf, draw_writer, with_dropout
from support.given_logits import files_of
from timm.layers import DropPath
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from dgkd_cache.dump.draws import Draw, Place
from dgkd_cache.errors import Interrupted, InvalidInput, Mismatch
from dgkd_cache.models.weights import weights_digest
from dgkd_stores import GuideStore


def rows_of(path: Path, views: range = range(2)) -> NDArray[np.float32]:
    """All rows of the views, then those of the test set: float32 (V * N + M, C)."""
    with GuideStore.open(path) as store:
        samples_N = np.arange(store.header.dataset.samples)
        found = [store.gather(np.full_like(samples_N, view), samples_N) for view in views]
        return np.concatenate([*found, store.test_logits_MC])


@pytest.fixture
def drawn(bars, plan, tmp_path: Path) -> Callable[..., NDArray[np.float32]]:
    """Dumps a draw into a new store and returns its rows."""
    number = itertools.count()

    def dump(model: nn.Module, draw: int | None = 0, **settings: object) -> NDArray[np.float32]:
        path = tmp_path / str(next(number)) / "ta1.zarr"
        draw_writer(path, bars, plan, model, draw, **settings).run()
        return rows_of(path)

    return dump


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout(0.5), (4,)),
        (nn.Dropout1d(0.5), (4, 1)),
        (nn.Dropout2d(0.5), (4, 1, 1)),
        (nn.AlphaDropout(0.5), (4,)),
        (StochasticDepth(0.5, "row"), (4,)),
        (StochasticDepth(0.5, "batch"), (4,)),
        (DropPath(0.5), (4,)),
    ],
    ids=lambda given: getattr(given, "mode", type(given).__name__),
)
def test_masks_are_the_same_bits_in_batches_of_any_size(drawn, layer: nn.Module, shape: tuple[int, ...]) -> None:
    whole = drawn(MaskOf(layer, shape=shape), batch_size=128)
    for batch_size in (1, 7):
        assert drawn(MaskOf(layer, shape=shape), batch_size=batch_size).tobytes() == whole.tobytes(), batch_size
    assert drawn(MaskOf(layer, shape=shape), 1, batch_size=128).tobytes() != whole.tobytes()
    assert len(np.unique(whole[:100], axis=0)) > 1, "each sample has a mask of its own"


def test_views_test_images_and_draws_have_masks_of_their_own(drawn) -> None:
    model = MaskOf(nn.Dropout(0.5))
    rows = drawn(model)
    assert set(np.unique(rows)) == {0.0, 2.0}, "inverted dropout: what is kept is divided by 1 - rate"
    first, second, tests = rows[:100], rows[100:200], rows[200:]
    assert not np.array_equal(first, second) and not np.array_equal(first[:40], tests)
    assert not np.array_equal(rows, drawn(model, 1))


def test_other_weights_have_other_masks(drawn) -> None:
    one, other = MaskOf(nn.Dropout(0.5)), MaskOf(nn.Dropout(0.5))
    with torch.no_grad():
        other.one.fill_(3.0)
    assert not np.array_equal(drawn(one) != 0, drawn(other) != 0)


class Twice(nn.Module):
    """One layer that is called twice decides twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.drop = nn.Parameter(torch.ones(1)), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        ones = self.one.expand(len(images), 2)
        return torch.cat([self.drop(ones), self.drop(ones)], 1)


def test_each_call_of_a_layer_decides_anew(drawn) -> None:
    rows = drawn(Twice().eval())
    same = (rows[:, :2] == rows[:, 2:]).mean()
    assert 0.4 < same < 0.6


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_makes_the_same_store(bars, plan, tmp_path: Path, threads: int) -> None:
    model = with_dropout()
    draw_writer(tmp_path / "one" / "ta1.zarr", bars, plan, model, 2, batch_size=16).run()
    torch.set_num_threads(threads)
    try:
        draw_writer(tmp_path / "many" / "ta1.zarr", bars, plan, model, 2, batch_size=16).run()
    finally:
        torch.set_num_threads(1)
    assert files_of(tmp_path / "many" / "ta1.zarr") == files_of(tmp_path / "one" / "ta1.zarr")


def test_stopped_after_any_batch_or_in_shares_it_ends_in_the_same_bytes(bars, plan, tmp_path: Path) -> None:
    model = with_dropout()
    draw_writer(tmp_path / "whole" / "ta1.zarr", bars, plan, model, 1).run()
    whole = files_of(tmp_path / "whole" / "ta1.zarr")
    for stop_at in range(1, 9):
        path, calls = tmp_path / str(stop_at) / "ta1.zarr", itertools.count(1)
        with pytest.raises(Interrupted):
            draw_writer(path, bars, plan, model, 1).run(stop=lambda at=stop_at, calls=calls: next(calls) == at)
        draw_writer(path, bars, plan, with_dropout(), 1).run()
        assert files_of(path) == whole, stop_at
    for mine in (range(1, 2), range(0, 1)):
        draw_writer(tmp_path / "shares" / "ta1.zarr", bars, plan, model, 1).run(mine=mine)
    assert files_of(tmp_path / "shares" / "ta1.zarr") == whole


def test_a_dump_that_was_stopped_leaves_the_model_as_it_was(bars, plan, tmp_path: Path) -> None:
    """The error of the stop is still held, as a program holds it that shows it; the same model goes on."""
    model = with_dropout()
    with pytest.raises(Interrupted) as held:
        draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 1).run(stop=lambda: True)
    assert not any(module._forward_hooks for module in model.modules())
    draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 1).run()
    draw_writer(tmp_path / "plain.zarr", bars, plan, model, None).run()
    assert held.value.exit_code == 130


def test_a_lost_chunk_is_repaired_to_the_sealed_bytes(bars, plan, tmp_path: Path) -> None:
    path, model = tmp_path / "ta1.zarr", with_dropout()
    draw_writer(path, bars, plan, model, 1).run()
    whole, lost = files_of(path), next(path.glob("logits/c.1*"))
    lost.write_bytes(b"\xff" * lost.stat().st_size)
    draw_writer(path, bars, plan, model, 1).repair()
    assert files_of(path) == whole
    lost.write_bytes(b"\xff" * lost.stat().st_size)
    with pytest.raises(Mismatch):
        draw_writer(path, bars, plan, model, 0).repair()


def test_draws_at_rate_0_are_the_plain_dump_bit_for_bit(bars, plan, tmp_path: Path) -> None:
    model = with_dropout(0.0)
    draw_writer(tmp_path / "plain.zarr", bars, plan, model, None).run()
    for draw in (0, 1):
        draw_writer(tmp_path / f"{draw}.zarr", bars, plan, model, draw).run()
        drawn, plain = files_of(tmp_path / f"{draw}.zarr"), files_of(tmp_path / "plain.zarr")
        assert {name for name in plain if drawn[name] != plain[name]} == {"zarr.json"}, (
            "the header says which draw it is"
        )
        assert drawn.keys() == plain.keys()


def test_the_mean_of_many_draws_is_the_expectation_of_a_linear_layer(bars) -> None:
    """Sums of independent terms: mean and variance follow from weights, inputs and rate alone."""
    rate, draws = 0.4, 2000
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(rate), nn.Linear(64, 4)).eval()
    images, rows = bars.test.pixels_NIHW / 255 - 0.35, []
    for number in range(draws):
        draw = Draw(model, number=number, weights_digest="ab" * 32, what="it")
        with draw.active(), draw.at(Place(None, np.arange(len(images)))), torch.inference_mode():
            rows.append(model(images).double().numpy())
    given = images.double().flatten(1).numpy()
    weight, bias = model[2].weight.detach().double().numpy(), model[2].bias.detach().double().numpy()
    expected = given @ weight.T + bias
    variance = (given**2) @ (weight.T**2) * rate / (1 - rate)
    away = (np.mean(rows, 0) - expected) / np.sqrt(variance / draws)  # normal with deviation 1, 160 of them
    assert np.abs(away).max() < 4.5 and 0.8 < away.std() < 1.2
    assert np.var(rows, 0).mean() == pytest.approx(variance.mean(), rel=0.05)


def test_batch_norm_stays_in_evaluation_mode_and_the_model_as_it_was(bars, plan, tmp_path: Path) -> None:
    model = with_dropout()
    before = weights_digest(model)
    random = torch.get_rng_state()
    draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 0).run()
    assert weights_digest(model) == before and torch.equal(torch.get_rng_state(), random)
    assert not any(module.training or module._forward_hooks for module in model.modules())


def test_the_header_has_the_draw_and_its_rates_and_the_accuracy_of_the_draw(bars, plan, tmp_path: Path) -> None:
    draw_writer(tmp_path / "ta1.zarr", bars, plan, with_dropout(0.25), 3).run()
    with GuideStore.open(tmp_path / "ta1.zarr") as store:
        guide = store.header.guide
        right = (store.test_logits_MC.argmax(1) == store.test_label_M).mean()
    assert (guide.name, guide.called, guide.draw) == ("ta1", "ta1.d3", 3)
    assert guide.training["draw"] == {"number": 3, "rates": {"3": "0.25", "7": "0.25"}}
    assert float(guide.accuracy) == pytest.approx(right)
    with pytest.raises(Mismatch, match="draw"):
        draw_writer(tmp_path / "ta1.zarr", bars, plan, with_dropout(0.25), 2).run()


def test_a_model_without_dropout_and_wrong_numbers_are_refused(bars, plan, make_tiny, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="guide 'ta1.d0' has no dropout layer"):
        draw_writer(tmp_path / "ta1.zarr", bars, plan, make_tiny(1), 0)
    for draw in (-1, 2**32, True, "0", 0.5):
        with pytest.raises(InvalidInput, match="'draw' cannot be used"):
            draw_writer(tmp_path / "ta1.zarr", bars, plan, with_dropout(), draw)


def test_dropout_that_is_trained_away_from_samples_but_fits_is_taken(drawn) -> None:
    """Windows as in a Swin transformer: several rows of the first dimension for each sample, one after the other."""

    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, features_BF: Tensor) -> Tensor:
            return self.drop(features_BF.reshape(-1, 24)).reshape(len(features_BF), -1)

    found = [drawn(with_dropout(middle=Windows()).eval(), batch_size=size) for size in (7, 128)]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)
