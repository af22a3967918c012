"""One draw of a model: a pass with its dropout layers active, and everything else as in evaluation.

What a layer drops for a sample is a function of (model, layer, call, draw, view, sample) by counter, and of nothing
else: not of the batch, the place in it, threads or ranks. So the rows of a draw are dumped, resumed, repaired and
recomputed as all others are.
stores/FORMAT.md, Identity (`guide.training.draw`), has the rule.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.dropout_layers import DropoutLayer, find_dropout_layers
from dgkd_cache.randomness.philox import WORDS_PER_BLOCK, philox_at
from dgkd_stores import decimal
from dgkd_stores.arguments import describe_value

__all__ = ["Draw", "Place", "keep_mask"]

_PER_BLOCK = 2 * WORDS_PER_BLOCK  # decisions: each takes half a word

_SLAB = 2**22  # decisions whose words are held at a time: 16 MiB


@dataclass(frozen=True)
class Place:
    """The samples of a batch, int64 (B,): of a view, or of the test set where `view` is None."""

    view: int | None
    samples_B: NDArray[np.int64]

    def reversed(self) -> Place:
        """Returns the same samples in reverse order."""
        return Place(self.view, self.samples_B[::-1])


def keep_mask(key16: bytes, *, draw: int, place: Place, decisions: int, rate: float) -> NDArray[np.bool_]:
    """Returns which of the `decisions` of each sample are kept, bool (B, decisions); the chance is 1 - `rate`.

    `key16` is that of the layer's call. A sample i owns the blocks from i * ceil(decisions / 8) on.
    """
    blocks = -(-decisions // _PER_BLOCK)
    threshold = round(rate * 2**32)
    if threshold == 2**32:  # rate 1: no half of a word reaches it
        return np.zeros((len(place.samples_B), decisions), dtype=np.bool_)
    view, of_test = (0, 1) if place.view is None else (place.view, 0)
    base = (view << 64) + (draw << 128) + (of_test << 192)
    first, last = int(place.samples_B.min()), int(place.samples_B.max())
    keep = np.empty((last + 1 - first, decisions), dtype=np.bool_)
    step = max(1, _SLAB // max(1, decisions))
    for start in range(first, last + 1, step):
        count = min(step, last + 1 - start)
        words = philox_at(key16, base + start * blocks, count * blocks)
        halves = words.astype("<u8", copy=False).view("<u4").reshape(count, -1)[:, :decisions]
        np.greater_equal(halves, np.uint32(threshold), out=keep[start - first : start - first + count])
    return keep[place.samples_B - first]


class Draw:
    """The draw `number` of `model`, whose weights have the digest `weights_digest`; `what` describes it in messages.

    Its layers drop only in a pass within `at`, while the draw is `active`. Raises InvalidInput for a model without any
    dropout layer.
    """

    def __init__(self, model: nn.Module, *, number: int, weights_digest: str, what: str) -> None:
        self.number, self.model, self.what = number, model, what
        self.layers = find_dropout_layers(model)
        if not self.layers:
            raise InvalidInput(
                f"{what} has no dropout layer, so all its draws would be the same",
                expected="layers such as torch.nn.Dropout, StochasticDepth of torchvision or DropPath of timm",
                found=f"none in {type(model).__name__}",
                do="draw from a model that was trained with dropout, such as wrn-16-2-dropout0.3, or dump it without "
                "draws",
            )
        self._digest = weights_digest
        self._now = threading.local()
        self._lock, self._active, self._inside = threading.Lock(), 0, 0
        self._handles: list[Any] = []
        self._took_part: set[str] = set()

    @property
    def rates(self) -> dict[str, str]:
        """The rate of each layer by its name, as a decimal."""
        return {layer.name: decimal(layer.rate) for layer in self.layers}

    @property
    def silent(self) -> bool:
        """True if no layer ever drops anything: all rates are 0."""
        return not any(layer.rate for layer in self.layers)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Hooks the layers for the `with` block, on all threads; their own code and settings stay as they are."""
        with self._lock:
            self._active += 1
            if self._active == 1:
                hooks = [(layer, self._hook(layer)) for layer in self.layers]
                self._handles = [layer.module.register_forward_hook(hook) for layer, hook in hooks]
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                if not self._active:
                    for handle in self._handles:
                        handle.remove()

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Makes the passes of this thread within the `with` block those of the samples at `place`."""
        with self._lock:
            self._inside += 1
        self._now.place, self._now.calls = place, dict[str, int]()
        try:
            yield
        finally:
            del self._now.place, self._now.calls
            with self._lock:
                self._inside -= 1

    def require_part(self) -> None:
        """Raises InvalidInput if no layer with a rate above 0 was called so far."""
        if self.silent or self._took_part:
            return
        layers = ", ".join(layer.name for layer in self.layers if layer.rate)
        raise InvalidInput(
            f"no dropout layer takes part in the forward pass of {self.what}, so all its draws would be the same",
            expected="a call of a layer with a rate above 0",
            found=f"no call of {layers[:200]}",
            do="give a model that calls them in evaluation mode too, or dump it without draws",
        )

    def _hook(self, layer: DropoutLayer) -> Any:
        def drop(module: nn.Module, given: tuple[object, ...], output: object) -> Tensor | None:
            return self._dropped(layer, output)

        return drop

    def _dropped(self, layer: DropoutLayer, given: object) -> Tensor | None:
        """Returns what a layer, which in evaluation mode returns its input, gives in this draw; None for the same."""
        place: Place | None = getattr(self._now, "place", None)
        if place is None and not self._inside:
            return None  # somebody else's pass, while a dump was left without its end
        if place is None:
            raise InvalidInput(
                f"the forward pass of {self.what} runs on a thread of its own",
                expected=f"calls of {layer.name!r} on the thread that calls the forward pass",
                found=f"a call on the thread {threading.current_thread().name!r}",
                do="take out what divides a batch over threads, such as DataParallel",
            )
        call = self._now.calls.get(layer.name, 0)
        self._now.calls[layer.name] = call + 1
        if not layer.rate:
            return None
        self._took_part.add(layer.name)
        batch = len(place.samples_B)
        if not isinstance(given, Tensor) or given.ndim == 0 or len(given) % batch:
            raise self._no_samples(layer, batch, describe_value(given))
        shape = layer.decisions(given)
        keep_BN = keep_mask(
            self._key(layer, call),
            draw=self.number,
            place=place,
            decisions=int(np.prod(shape)) // batch,
            rate=layer.rate,
        )
        return layer.apply(given, torch.from_numpy(keep_BN).view(shape).to(given.device))

    def _key(self, layer: DropoutLayer, call: int) -> bytes:
        parts = ("dgkd-draw", self._digest, layer.name, str(call))
        return hashlib.sha256("\0".join(parts).encode()).digest()[:16]

    def _no_samples(self, layer: DropoutLayer, batch: int, found: str) -> InvalidInput:
        return InvalidInput(
            f"the dropout layer {layer.name!r} of {self.what} cannot be drawn for each sample",
            expected=f"an input whose first dimension is that of the {batch} samples, or has several rows for each",
            found=found,
            do="give this layer the samples as its first dimension, or dump the model without draws",
        )
