"""The identity arrays of a store: its pixels, labels and test set, checked on input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.encodings import get_encoding
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

    def __post_init__(self) -> None:
        for field in fields(self):
            require_kind("IdentityArrays", field.name, getattr(self, field.name), np.ndarray, expected="a numpy array")

    def encoded(self, header: StoreHeader, layout: StoreLayout) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays by name; raises InvalidInput for a shape, dtype or label against the header."""
        if self.test_logits_MC.dtype != np.float32:
            raise InvalidInput("test_logits", expected="float32", found=str(self.test_logits_MC.dtype))
        tests = get_encoding(header.encoding).encode(self.test_logits_MC)
        given: Mapping[str, NDArray[Any]] = {
            "label": self.label_N,
            "sample_digest": self.sample_digest_N16,
            "view_digest": self.view_digest_V32,
            "probe": self.probe,
            "test_label": self.test_label_M,
            "test_sample_digest": self.test_sample_digest_M16,
            **{f"test_{name}": array for name, array in tests.items()},
        }
        for name, array in layout.identity.items():
            expected, found = f"{array.dtype} {array.shape}", f"{given[name].dtype} {given[name].shape}"
            if expected != found:
                raise InvalidInput(f"identity array {name}", expected=expected, found=found)
        for name in ("label", "test_label"):
            if not labels_within(given[name], header.classes):
                raise InvalidInput(
                    f"identity array {name}",
                    expected=f"labels from 0 to {header.classes - 1}",
                    found=f"{given[name].min()} to {given[name].max()}",
                )
        return {name: np.ascontiguousarray(given[name], dtype=layout.identity[name].numpy_dtype) for name in given}


def labels_within(labels: NDArray[Any], classes: int) -> bool:
    """Returns True if every label is the index of a class."""
    return labels.size == 0 or (int(labels.min()) >= 0 and int(labels.max()) < classes)
