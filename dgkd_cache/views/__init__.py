"""Deterministic views of a data set: their plan, their schedule, and their pixels.

Importing this package registers the transforms.
"""

from dgkd_cache.views import resized_crop, transforms

__all__ = ["resized_crop", "transforms"]
