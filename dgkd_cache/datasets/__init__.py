"""Data sets: uint8 images with labels, class names, normalisation and content digests.

Importing this package registers the data sets that have a name.
"""

from dgkd_cache.datasets import cifar, digits, mnist

__all__ = ["cifar", "digits", "mnist"]
