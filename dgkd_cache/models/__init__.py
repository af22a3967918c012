"""Networks by name, their input, and their files.

Importing this package registers every architecture; `save_model` and `load_model` store and load a trained one.
"""

from dgkd_cache.models import plain, resnet, timm_models, torchvision_models, user_models, vgg, wrn
from dgkd_cache.models.saved import load_model, load_weights, save_model
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.run_files.model_card import ModelCard, load_card

__all__ = [
    "ModelCard",
    "load_card",
    "load_model",
    "load_weights",
    "plain",
    "resnet",
    "save_model",
    "timm_models",
    "torchvision_models",
    "user_models",
    "vgg",
    "weights_digest",
    "wrn",
]
