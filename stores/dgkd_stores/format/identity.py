"""The identity arrays of a store: its pixels, labels and test set, checked on input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_flags, require_kind
from dgkd_stores.errors import InvalidInput
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout

__all__ = ["SAMPLE_ARRAYS", "IdentityArrays", "labels_within"]

SAMPLE_ARRAYS = ("label", "sample_digest", "test_label", "test_sample_digest")
"""The arrays that all stores of one data set have alike."""


@dataclass(frozen=True, kw_only=True)
class IdentityArrays:
    """The arrays of a store besides its rows. M counts test samples, V the views of the whole store.

    Raises InvalidInput for anything but numpy arrays; the writer checks their shapes and types against its header.
    """

    label_N: NDArray[np.int64]
    """int64 (N,): the class of each sample."""
    sample_digest_N16: NDArray[np.uint8]
    """uint8 (N, 16): the first 16 bytes of the SHA-256 of each sample."""
    view_digest_V32: NDArray[np.uint8]
    """uint8 (V, 32): the SHA-256 of each view's parameters."""
    probe: NDArray[Any]
    """[64, 32] uint8 pixel digests or [64, 64] int32 projections, by the header's `probe`."""
    test_logits_MC: NDArray[np.float32]
    """float32 (M, C): logits on the test set, divided by the header's temperature like the rows."""
    test_label_M: NDArray[np.int64]
    """int64 (M,): the class of each test sample."""
    test_sample_digest_M16: NDArray[np.uint8]
    """uint8 (M, 16): digests of the test samples, as `sample_digest_N16`."""
    shared: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Arrays that all rows of the encoding `factored` share: float32 `basis` (C, D) and `bias` (C,)."""
    condensed: bool = False
    """True if `test_logits_MC` has the condensed rows of the encoding, float32 (M, F), instead of logits."""

    def __post_init__(self) -> None:
        require_flags("IdentityArrays", condensed=self.condensed)
        require_kind("IdentityArrays", "shared", self.shared, Mapping, expected="a mapping of names to numpy arrays")
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("shared", "condensed")}
        for name, array in [*own.items(), *self.shared.items()]:
            require_kind("IdentityArrays", name, array, np.ndarray, expected="a numpy array")

    def encoded(self, header: StoreHeader, layout: StoreLayout) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays by name; raises InvalidInput for a shape, dtype or label against the header."""
        if self.test_logits_MC.dtype != np.float32:
            raise InvalidInput("test_logits", expected="float32", found=str(self.test_logits_MC.dtype))
        encoding = header.row_encoding
        names = [shared.name for shared in encoding.shared_arrays(header.classes)]
        if sorted(self.shared) != names:
            raise InvalidInput(
                f"identity arrays that rows of {header.encoding} share",
                expected=", ".join(names) or "none",
                found=", ".join(sorted(self.shared))[:80] or "none",
            )
        _check_shapes(self.shared, layout)
        encoding.check_shared(self.shared)
        encoding = encoding.bound(self.shared)
        columns = encoding.columns(header.classes) if self.condensed else header.classes
        if self.test_logits_MC.ndim != 2 or self.test_logits_MC.shape[1] != columns:
            expected = f"float32 ({header.dataset.test_samples}, {columns})"
            raise InvalidInput(
                "identity array test_logits", expected=expected, found=f"float32 {self.test_logits_MC.shape}"
            )
        encode = encoding.encode_condensed if self.condensed else encoding.encode
        tests = encode(self.test_logits_MC)
        given: Mapping[str, NDArray[Any]] = {
            "label": self.label_N,
            "sample_digest": self.sample_digest_N16,
            "view_digest": self.view_digest_V32,
            "probe": self.probe,
            "test_label": self.test_label_M,
            "test_sample_digest": self.test_sample_digest_M16,
            **self.shared,
            **{f"test_{name}": array for name, array in tests.items()},
        }
        _check_shapes(given, layout)
        for name in ("label", "test_label"):
            if not labels_within(given[name], header.classes):
                raise InvalidInput(
                    f"identity array {name}",
                    expected=f"labels from 0 to {header.classes - 1}",
                    found=f"{given[name].min()} to {given[name].max()}",
                )
        return {name: np.ascontiguousarray(given[name], dtype=layout.identity[name].numpy_dtype) for name in given}


def _check_shapes(given: Mapping[str, NDArray[Any]], layout: StoreLayout) -> None:
    """Raises InvalidInput for the first array of another shape or type than the layout has."""
    for name, array in given.items():
        wanted = layout.identity[name]
        expected, found = f"{wanted.dtype} {wanted.shape}", f"{array.dtype} {array.shape}"
        if expected != found:
            raise InvalidInput(f"identity array {name}", expected=expected, found=found)


def labels_within(labels: NDArray[Any], classes: int) -> bool:
    """Returns True if every label is the index of a class."""
    return labels.size == 0 or (int(labels.min()) >= 0 and int(labels.max()) < classes)
