"""A small guide store whose every byte follows from a few numbers, and what lies in a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dgkd_stores import DatasetIdentity, GuideIdentity, GuideStoreWriter, IdentityArrays, StoreHeader, canonical_json
from dgkd_stores.coding.canonical import sha256_hex

__all__ = ["SmallStore", "identity_arrays", "tree"]


@dataclass
class SmallStore:
    """The recipe of a store; `write` makes it."""

    views: int = 3
    samples: int = 50
    classes: int = 7
    tests: int = 11
    first_view: int = 0
    encoding: str = "float32"
    digest_rows: int = 8
    probe: str = "sha256"
    width: int = 6
    """The number of inputs of the linear layer that makes the logits; for `factored` alone."""
    k: int = 2**20
    """The number of logits in a row of `topk`; at one below the classes the tail is one logit, and exact."""
    compute: dict[str, Any] = field(default_factory=lambda: {"device": "cpu", "batch": 16, "torch": "2.9.0"})

    @property
    def header(self) -> StoreHeader:
        plan = {"transforms": ["crop(4)", "hflip"], "seed": 0, "naïve": "é"}
        return StoreHeader(
            dataset=DatasetIdentity(
                name="toy",
                split="train",
                classes=tuple(f"class {label} é" for label in range(self.classes)),
                samples=self.samples,
                test_samples=self.tests,
                digest="d" * 64,
                sample_digest="pixels",
            ),
            plan=plan,
            plan_digest=sha256_hex(canonical_json(plan)),
            first_view=self.first_view,
            views=self.views,
            guide=GuideIdentity(
                name="ta1",
                architecture="resnet8",
                parameters=78042,
                weights_digest="a" * 64,
                accuracy="0.8812",
                training={"epochs": 3, "lr": "0.1"},
                guides={"teacher": "b" * 64},
            ),
            encoding=self.encoding,
            fidelity={"kl": "0.00000001", "top1": "1", "rows": self.samples},
            temperature="4",
            digest_rows=self.digest_rows,
            probe=self.probe,
            compute=self.compute,
            licence="",
            encoding_settings=self._settings,
        )

    @property
    def shared(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays that all rows of `factored` share; none for the others."""
        if self.encoding != "factored":
            return {}
        bias_C = np.round(8 * np.random.default_rng(5).normal(size=self.classes)) / 8
        return {"basis": exact_basis(self.classes, self._width), "bias": bias_C.astype(np.float32)}

    @property
    def _settings(self) -> dict[str, Any]:
        topk = {"k": min(self.k, self.classes - 1), "temperatures": ["4", "1"]}
        return {"factored": {"width": self._width}, "topk": topk}.get(self.encoding, {})

    @property
    def _width(self) -> int:
        return min(self.width, self.classes)

    @property
    def identity(self) -> IdentityArrays:
        rng = np.random.default_rng(7)
        probe = rng.integers(0, 256, (64, 32), dtype=np.uint8)
        if self.probe == "projection":
            probe = rng.integers(-(2**31), 2**31, (64, 64), dtype=np.int32)
        return IdentityArrays(
            label_N=rng.integers(0, self.classes, self.samples),
            sample_digest_N16=rng.integers(0, 256, (self.samples, 16), dtype=np.uint8),
            view_digest_V32=rng.integers(0, 256, (self.views, 32), dtype=np.uint8),
            probe=probe,
            test_logits_MC=self._in_span(rng.normal(size=(self.tests, self.classes))),
            test_label_M=rng.integers(0, self.classes, self.tests),
            test_sample_digest_M16=rng.integers(0, 256, (self.tests, 16), dtype=np.uint8),
            shared=self.shared,
        )

    def logits(self, view: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return self._in_span(np.random.default_rng(1000 + view).normal(size=(self.samples, self.classes)))

    def _in_span(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Logits as a model of this encoding can give them; of `factored` and `topk` such as they give back exactly."""
        if shared := self.shared:
            rows = np.round(8 * rows[:, : self._width]) / 8 @ shared["basis"].T + shared["bias"]
        if self.encoding == "topk":
            rows = np.round(8 * rows) / 8 + 0.0  # no -0, which a repair that adds nothing would make a 0
        return rows.astype(np.float32)

    def write(
        self,
        path: Path,
        *,
        views: range | None = None,
        chunks: int | None = None,
        seal: bool = True,
        take_over: bool = False,
        codec: str = "none",
    ) -> str | None:
        """Write up to `chunks` missing chunks; the seal, if that finished the store."""
        how = {"views": views, "take_over": take_over, "codec": codec}
        with GuideStoreWriter(path, self.header, self.identity, **how) as writer:
            for number, slot in enumerate(writer.missing()):
                if chunks is not None and number >= chunks:
                    return None
                writer.write(slot, self.logits(slot.view)[slot.start : slot.stop])
            return writer.seal() if seal else None


def exact_basis(classes: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Orthonormal columns (C, D) of powers of two and zeros: products with eighths are exact in any order."""
    size = 1
    while 4 * size <= classes:
        size *= 4
    whole_CC = np.eye(classes, dtype=np.float32)
    signs = [[(-1) ** (row & column).bit_count() for column in range(size)] for row in range(size)]
    whole_CC[:size, :size] = np.array(signs) / np.sqrt(size)
    return np.ascontiguousarray(whole_CC[:, :width])


def identity_arrays(of: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a reader or of `IdentityArrays` under the names that they have in a store."""
    return {
        "label": of.label_N,
        "sample_digest": of.sample_digest_N16,
        "view_digest": of.view_digest_V32,
        "probe": of.probe,
        "test_label": of.test_label_M,
        "test_sample_digest": of.test_sample_digest_M16,
        **getattr(of, "shared", {}),
    }


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every name below a folder with its bytes; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
