"""The encoding `float32`: logits as the network gave them."""

from __future__ import annotations

from dgkd_stores.coding.encodings.floating import Floating
from dgkd_stores.coding.encodings.registry import register_encoding

__all__ = ["Float32"]


@register_encoding
class Float32(Floating):
    """Exact."""
