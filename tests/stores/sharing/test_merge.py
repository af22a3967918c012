"""Several stores of one guide put together: every row by plain numpy on what Zarr reads of the sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores.support.small_store import SmallStore

from dgkd_stores import (
    GuideStoreWriter,
    IdentityArrays,
    InvalidInput,
    Mismatch,
    StoreHeader,
    merge,
    read_header,
    subset,
    verify,
)

pytestmark = pytest.mark.usefixtures("small_chunks")


def arrays(path: Path) -> dict[str, np.ndarray]:
    group = zarr.open_group(path, mode="r")
    return {name: group[name][:] for name in group}


@pytest.mark.parametrize("encoding", ["float32", "uint8", "factored", "topk"])
def test_parts_of_a_store_put_together_are_the_store(recipe: Any, tmp_path: Path, encoding: str) -> None:
    seal = recipe(views=6, first_view=2, encoding=encoding).write(tmp_path / "a.zarr")
    seals = [
        subset(tmp_path / "a.zarr", tmp_path / f"{at}.zarr", views=range(at, end)).seal
        for at, end in ((2, 3), (3, 5), (5, 8))
    ]
    made = merge([tmp_path / f"{at}.zarr" for at in (5, 2, 3)], tmp_path / "b.zarr", codec="zstd")
    assert verify(tmp_path / "b.zarr", full=True).exit_code == 0
    whole, again = arrays(tmp_path / "a.zarr"), arrays(tmp_path / "b.zarr")
    assert all(np.array_equal(whole[name], again[name], equal_nan=True) for name in whole)
    header = read_header(tmp_path / "b.zarr").header
    derived = header.guide.training["derived_from"]
    assert (header.view_range, derived["operation"]) == (range(2, 8), "merge") and made.seal != seal
    assert [(one["seal"], one["first_view"], one["views"]) for one in derived["sources"]] == [
        (seals[0], 2, 1),
        (seals[1], 3, 2),
        (seals[2], 5, 3),
    ]
    assert [one["derived_from"]["sources"][0]["seal"] for one in derived["sources"]] == [seal] * 3
    assert derived["probe"] == [{"first_view": 2, "views": 6}], "all of them have the probe of the whole"


@dataclass
class Changed(SmallStore):
    """A store whose header or identity is changed."""

    change: Callable[[StoreHeader], StoreHeader] = lambda header: header
    arrays: Callable[[IdentityArrays], IdentityArrays] = lambda arrays: arrays

    @property
    def header(self) -> StoreHeader:
        return self.change(super().header)

    @property
    def identity(self) -> IdentityArrays:
        return self.arrays(super().identity)


def as_dumped_elsewhere(arrays: IdentityArrays) -> IdentityArrays:
    rng = np.random.default_rng(8)
    probe, tests = rng.integers(0, 256, (64, 32), dtype=np.uint8), arrays.test_logits_MC + np.float32(1e-5)
    return replace(arrays, probe=probe, test_logits_MC=tests)


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Path, Path]:
    """Two stores of one guide: the second one's views were dumped on another machine, which rounds differently."""
    SmallStore(views=2).write(tmp_path / "here.zarr")
    Changed(
        views=2,
        first_view=2,
        compute={"device": "cuda", "batch": 16, "torch": "2.9.0"},
        change=lambda header: replace(header, guide=replace(header.guide, accuracy="0.8813")),
        arrays=as_dumped_elsewhere,
    ).write(tmp_path / "there.zarr")
    return tmp_path / "here.zarr", tmp_path / "there.zarr"


def test_views_that_were_dumped_elsewhere(elsewhere: tuple[Path, Path], tmp_path: Path) -> None:
    merge(list(elsewhere), tmp_path / "b.zarr")
    here, there, both = (arrays(path) for path in (*elsewhere, tmp_path / "b.zarr"))
    for name in ("logits", "digest", "view_digest"):
        assert np.array_equal(both[name], np.concatenate([here[name], there[name]])), name
    for name in ("label", "sample_digest", "test_label", "test_sample_digest", "test_logits"):
        assert np.array_equal(both[name], here[name]), name
    assert np.array_equal(both["probe"][::2], here["probe"][::2])
    assert np.array_equal(both["probe"][1::2], there["probe"][1::2])
    header = read_header(tmp_path / "b.zarr").header
    derived = header.guide.training["derived_from"]
    assert derived["probe"] == [{"first_view": 0, "views": 2}, {"first_view": 2, "views": 2}]
    assert header.guide.accuracy == "0.8812" and header.compute["device"] == "cpu"
    assert derived["sources"][1]["compute"]["device"] == "cuda"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: replace(h, guide=replace(h.guide, weights_digest="c" * 64)), 'guide.weights_digest "aaaa'),
        (lambda h: replace(h, guide=replace(h.guide, training={"epochs": 4})), "guide.training.epochs 3, found 4"),
        (lambda h: replace(h, dataset=replace(h.dataset, digest="e" * 64)), 'dataset.digest "dddd'),
        (lambda h: replace(h, temperature="2"), 'temperature "4", found "2"'),
        (lambda h: replace(h, encoding="float16"), 'encoding "float32", found "float16"'),
        (lambda h: replace(h, digest_rows=16), "digest_rows 8, found 16"),
        (lambda h: replace(h, compute={**h.compute, "decoding": {"depth16": 1}}), "compute.decoding missing"),
    ],
)
def test_another_guide_is_refused_and_the_difference_named(tmp_path: Path, change: Any, said: str) -> None:
    SmallStore(views=2).write(tmp_path / "a.zarr")
    Changed(views=2, first_view=2, change=change).write(tmp_path / "b.zarr")
    with pytest.raises(Mismatch, match=f"is not of the same guide as .*: expected {said}") as caught:
        merge([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "c.zarr")
    assert caught.value.exit_code == 13 and "`dgkd-cache diff " in str(caught.value)
    assert not (tmp_path / "c.zarr").exists()


def test_other_samples_under_the_same_header_are_refused(tmp_path: Path) -> None:
    SmallStore(views=2).write(tmp_path / "a.zarr")
    other = Changed(
        views=2,
        first_view=2,
        arrays=lambda arrays: replace(arrays, sample_digest_N16=arrays.sample_digest_N16[::-1].copy()),
    )
    other.write(tmp_path / "b.zarr")
    with pytest.raises(Mismatch, match="another array sample_digest"):
        merge([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "c.zarr")


@pytest.mark.parametrize(
    ("first", "said", "hint"), [(1, "overlap", "take a subset"), (4, "leave a gap", "several stores of one guide")]
)
def test_views_that_do_not_follow_on_one_another(tmp_path: Path, first: int, said: str, hint: str) -> None:
    SmallStore(views=3).write(tmp_path / "a.zarr")
    SmallStore(views=3, first_view=first).write(tmp_path / "b.zarr")
    with pytest.raises(InvalidInput, match=f"{said}: expected a store whose views begin at 3.*{hint}"):
        merge([tmp_path / "b.zarr", tmp_path / "a.zarr"], tmp_path / "c.zarr")


@pytest.mark.parametrize("sources", [[], ["a.zarr"], "a.zarr"])
def test_a_single_store_is_nothing_to_merge(sources: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least two stores"):
        merge(sources, tmp_path / "c.zarr")


def test_coefficients_of_another_basis_are_not_put_together(recipe: Any, tmp_path: Path) -> None:
    """The columns in another order: each store is sound, and their rows do not go together."""
    small = recipe(encoding="factored", views=1)
    small.write(tmp_path / "a.zarr")
    turned = {**small.shared, "basis": np.ascontiguousarray(small.shared["basis"][:, ::-1])}
    header = replace(small.header, first_view=1)
    with GuideStoreWriter(tmp_path / "b.zarr", header, replace(small.identity, shared=turned)) as writer:
        for slot in writer.missing():
            writer.write(slot, small.logits(1)[slot.start : slot.stop])
        assert writer.seal()
    with pytest.raises(Mismatch, match="not of the same guide as .*: found another array basis"):
        merge([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "c.zarr")
