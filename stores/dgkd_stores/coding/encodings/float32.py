"""The encoding `float32`: the exact logits."""

from __future__ import annotations

from dgkd_stores.coding.encodings.abc import Floating
from dgkd_stores.coding.encodings.registry import register_encoding

__all__ = ["Float32"]


@register_encoding
class Float32(Floating):
    """IEEE single precision, exact."""
