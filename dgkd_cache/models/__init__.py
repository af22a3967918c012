"""Networks by name, their input, and their files.

Importing this package registers every architecture; `build_model` builds one, `save_model` and `load_model` store and
load it.
"""

from __future__ import annotations

from dgkd_cache.models.card import ModelCard, load_card, load_model, load_weights, save_model, weights_digest
from dgkd_cache.models.plain import PlainNet
from dgkd_cache.models.preprocess import Preprocess, Preprocessing
from dgkd_cache.models.registry import (
    build_model,
    count_parameters,
    find_model,
    is_user_code,
    model_names,
    model_patterns,
    register_model,
    wanted_input_size,
)
from dgkd_cache.models.resnet import CifarResNet
from dgkd_cache.models.summary import ModelSummary, model_summary
from dgkd_cache.models.torchvision_models import torchvision_names
from dgkd_cache.models.user_models import find_factory
from dgkd_cache.models.vgg import Vgg
from dgkd_cache.models.wrn import WideResNet

__all__ = [
    "CifarResNet",
    "ModelCard",
    "ModelSummary",
    "PlainNet",
    "Preprocess",
    "Preprocessing",
    "Vgg",
    "WideResNet",
    "build_model",
    "count_parameters",
    "find_factory",
    "find_model",
    "is_user_code",
    "load_card",
    "load_model",
    "load_weights",
    "model_names",
    "model_patterns",
    "model_summary",
    "register_model",
    "save_model",
    "torchvision_names",
    "wanted_input_size",
    "weights_digest",
]
