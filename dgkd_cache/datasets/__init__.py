"""Data sets: uint8 images with labels, class names, normalisation and content digests."""

from __future__ import annotations

from dgkd_cache.datasets.images import Images, TensorImages

__all__ = ["Images", "TensorImages"]
