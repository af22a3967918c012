"""RowForm: what a store keeps of a guide's logits, computed where the guide runs.

Most encodings keep logits. `factored` keeps coefficients, and `topk` the largest logits: on the device these are a
matrix product or a selection, and a chunk of them is a small part of the logits of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.dump.linear_head import find_linear_head, no_linear_head, shared_arrays
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.sizes import topk_settings
from dgkd_cache.errors import InvalidInput
from dgkd_stores import Encoding, JsonValue, get_encoding

__all__ = ["RowForm"]

_TRIED = 64
"""Rows of the first batch that must fit the encoding."""

_MISFITS = {"float32": 1e-3, "bf16": 0.05}
"""By precision, how far its logits may be from those of a linear layer, as a part of a row's largest: a layer's own
rounding is 2^-22 and 2^-8.
"""

_TINY = float(np.finfo(np.float32).tiny)

_EXPANDED = 2**24
"""Logits that are held at a time, where condensed rows are expanded."""


@dataclass(frozen=True, kw_only=True)
class RowForm:
    """The encoding of a guide's store, bound to what its rows share, and how rows are condensed on the device."""

    encoding: Encoding
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """The header's `encoding_settings`."""
    shared: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The arrays that all rows share, by name."""
    precision: str = "float32"
    """The precision of the forward pass."""
    condense: Callable[[Tensor], Tensor]
    """Returns float32 (B, F) of softened logits (B, C) on the device, on any thread."""
    head: nn.Linear | None = None
    """The guide's last linear layer, for `factored`."""

    @classmethod
    def of_guide(
        cls, model: nn.Module, settings: DumpSettings, *, classes: int, device: torch.device, what: str
    ) -> Self:
        """Returns the form of the rows of a guide.

        Raises InvalidInput for `factored` without a linear last layer, and for `topk` of as many logits as classes.
        """
        if settings.encoding != "factored":
            return cls.of_logits(settings, classes=classes, what=what)
        encoding = get_encoding(settings.encoding)
        head = find_linear_head(model, classes, what=what)
        shared = shared_arrays(head, temperature=settings.temperature, precision=settings.precision)
        given: dict[str, JsonValue] = {"width": shared["basis"].shape[1]}
        encoding = encoding.with_settings(given, classes)
        there = {name: torch.from_numpy(array).to(device) for name, array in shared.items()}
        return cls(
            encoding=encoding.bound(shared),
            settings=given,
            shared=shared,
            precision=settings.precision,
            condense=encoding.bound(there).project,
            head=head,
        )

    @classmethod
    def of_logits(cls, settings: DumpSettings, *, classes: int, what: str) -> Self:
        """Returns the form of rows that need no model, in every encoding but `factored`.

        Raises InvalidInput for `topk` of as many logits as classes.
        """
        encoding, given = get_encoding(settings.encoding), dict[str, JsonValue]()
        if settings.topk is not None:
            others = settings.topk_temperatures
            given = topk_settings(settings.topk, settings.temperature, others, classes=classes, what=what)
            encoding = encoding.with_settings(given, classes)
        return cls(encoding=encoding, settings=given, condense=encoding.project)

    @contextmanager
    def watch_head(self) -> Iterator[list[Tensor]]:
        """Yields a list that gets what the last linear layer returns, at each forward pass within the block."""
        returned: list[Tensor] = []
        if self.head is None:
            yield returned
            return
        handle = self.head.register_forward_hook(lambda layer, given, output: returned.append(output.detach()))
        try:
            yield returned
        finally:
            handle.remove()

    def require_fit(self, logits_BC: Tensor, returned: list[Tensor], *, temperature: float, what: str) -> None:
        """Raises InvalidInput for logits that are not those that the last linear layer returned.

        A layer that is used in another way than by a call is told by the space of its weights alone.
        """
        if self.head is None or not bool(logits_BC.isfinite().all()):  # what is no number is refused with its place
            return
        away = self.encoding.misfit((logits_BC[:_TRIED] / temperature).cpu().numpy())
        if returned and returned[-1].shape == logits_BC.shape:
            away_B = (returned[-1].float() - logits_BC).abs().amax(1) / logits_BC.abs().amax(1).clamp_min(_TINY)
            away = max(away, float(away_B.max()))
        if away > _MISFITS[self.precision]:
            raise no_linear_head(what, f"logits that are off by {away:.2%} from those of its last linear layer")

    def require_storable(
        self,
        rows_SX: NDArray[np.float32],
        place: Callable[[int], str],
        *,
        condensed: bool = True,
        no_numbers: str = "",
    ) -> None:
        """Raises InvalidInput for the first row that the encoding cannot hold, with the `place` of its index.

        `condensed` tells condensed rows (S, F) from logits (S, C); `no_numbers` is the hint for NaN and infinity.
        """
        encode = self.encoding.encode_condensed if condensed else self.encoding.encode
        size_S = self.encoding.magnitude(rows_SX) if condensed else np.abs(rows_SX).max(axis=1)
        for row in np.flatnonzero(~(size_S <= self.encoding.largest)).tolist():
            try:
                encode(rows_SX[row : row + 1])
            except InvalidInput as error:
                do = no_numbers if no_numbers and not np.isfinite(rows_SX[row]).all() else error.do
                raise InvalidInput(
                    f"{error.problem} ({place(row)})", expected=error.expected, found=error.found, do=do
                ) from error

    def correct(self, rows_NF: NDArray[np.float32], labels_N: NDArray[np.int64]) -> int:
        """Returns how many condensed rows have their largest logit at their label."""
        step = max(1, _EXPANDED // max(1, self.encoding.expand(rows_NF[:1]).shape[1]))
        slabs = [slice(start, start + step) for start in range(0, len(rows_NF), step)]
        return sum(int((self.encoding.largest_class(rows_NF[at]) == labels_N[at]).sum()) for at in slabs)
