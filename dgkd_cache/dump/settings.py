"""DumpSettings: how a guide is forwarded and how its rows are stored."""

from __future__ import annotations

from dataclasses import dataclass

from dgkd_stores import get_codec, get_encoding
from dgkd_stores.arguments import refusal, require_flags, require_integer, require_kind, require_number

__all__ = ["DumpSettings"]

_CALL = "DumpSettings"


@dataclass(frozen=True, kw_only=True)
class DumpSettings:
    """The settings of a dump; all but `codec`, `workers` and `accept_probabilities` are part of the store's identity.

    Raises InvalidInput for a value that cannot be used.
    """

    temperature: float = 4.0
    """Rows are logits divided by it."""
    encoding: str = "float16"
    """The form of a stored row: float16, float32, uint8 with a scale and an offset, factored, which is for models that
    end in a linear layer, or topk, the largest logits and the share of all others."""
    topk: int | None = None
    """The number of logits in a row of topk."""
    topk_temperatures: tuple[float, ...] = ()
    """Temperatures at which rows of topk can be used besides `temperature` and 1."""
    codec: str = "none"
    """Compression of the rows of a store that is begun; one that is there keeps its own."""
    batch_size: int = 512
    """Samples in a forward pass: logits change in the last bit with it."""
    precision: str = "float32"
    """The forward pass computes in float32, or under bf16 autocast."""
    workers: int = 0
    """Processes that load images which are not in memory."""
    licence: str = ""
    """The licence of the store."""
    accept_probabilities: bool = False
    """Take rows that look like probabilities for logits."""

    def __post_init__(self) -> None:
        require_number(_CALL, "temperature", self.temperature, low=0)
        for key in ("encoding", "codec", "precision", "licence"):
            require_kind(_CALL, key, getattr(self, key), str, expected="text")
        get_encoding(self.encoding)
        get_codec(self.codec)
        if self.precision not in ("float32", "bf16"):
            raise refusal(_CALL, "precision", self.precision, expected="float32 or bf16")
        self._check_topk()
        for key, low in (("batch_size", 1), ("workers", 0)):
            require_integer(_CALL, key, getattr(self, key), low=low)
        require_flags(_CALL, accept_probabilities=self.accept_probabilities)
        for key, number in (("temperature", float), ("batch_size", int), ("workers", int)):
            object.__setattr__(self, key, number(getattr(self, key)))  # numbers of numpy are taken

    def _check_topk(self) -> None:
        expected = "temperatures in a tuple"
        require_kind(_CALL, "topk_temperatures", self.topk_temperatures, (tuple, list), expected=expected)
        if self.encoding == "topk":
            require_integer(_CALL, "topk", self.topk, low=1)
            object.__setattr__(self, "topk", int(self.topk or 0))
        elif self.topk is not None or self.topk_temperatures:
            key = "topk" if self.topk is not None else "topk_temperatures"
            raise refusal(
                _CALL, key, getattr(self, key), expected="nothing, for another encoding", do='write encoding="topk"'
            )
        for each in self.topk_temperatures:
            require_number(_CALL, "topk_temperatures", each, low=0)
        object.__setattr__(self, "topk_temperatures", tuple(map(float, self.topk_temperatures)))
