"""Deterministic views of a data set: their plan, their schedule, and their pixels.

Importing this package registers the transforms.
"""

from dgkd_cache.views import blur, colour, erasing, geometry, mixing, policies, resized_crop, tone, transforms

__all__ = ["blur", "colour", "erasing", "geometry", "mixing", "policies", "resized_crop", "tone", "transforms"]
