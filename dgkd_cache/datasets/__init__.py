"""Data sets: uint8 images with labels, class names, normalisation and content digests."""

from __future__ import annotations

from dgkd_cache.datasets import cifar, digits, mnist
from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.datasets.registry import dataset_names, load_dataset, register_dataset

__all__ = [
    "Dataset",
    "FolderImages",
    "Images",
    "TensorImages",
    "cifar",
    "dataset_names",
    "digits",
    "explain_difference",
    "load_dataset",
    "mnist",
    "register_dataset",
]
