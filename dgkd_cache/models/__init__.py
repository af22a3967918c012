"""Networks by name, what they take, and how they lie on disk.

Importing this package registers every architecture; `build_model` makes one, `save_model` and `load_model`
keep it.
"""

from __future__ import annotations

from dgkd_cache.models.card import ModelCard, load_card, load_model, load_weights, save_model, weights_digest
from dgkd_cache.models.preprocess import Preprocess, Preprocessing
from dgkd_cache.models.registry import (
    build_model,
    count_parameters,
    model_names,
    model_patterns,
    register_model,
    wanted_input_size,
)

__all__ = [
    "ModelCard",
    "Preprocess",
    "Preprocessing",
    "build_model",
    "count_parameters",
    "load_card",
    "load_model",
    "load_weights",
    "model_names",
    "model_patterns",
    "register_model",
    "save_model",
    "wanted_input_size",
    "weights_digest",
]
