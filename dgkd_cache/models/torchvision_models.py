"""torchvision:NAME, torchvision's classification models with new weights for any classes and channels.

They are not adapted to small images: views are resized to the smallest size for which torchvision publishes weights
(224 for most), which `wanted_input_size` returns and the model's card records.
"""

from __future__ import annotations

from functools import partial

import torchvision
from torch import nn

from dgkd_cache.errors import unknown_name
from dgkd_cache.models.registry import Registration, register_pattern

__all__ = ["torchvision_names"]


def torchvision_names() -> tuple[str, ...]:
    """Returns the classification models of this version of torchvision, without the prefix."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


# These two return auxiliary logits in training and warn about their initial weights unless told not to.
_SETTINGS: dict[str, dict[str, bool]] = {
    name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")
}


def _torchvision(*, name: str, channels: int, classes: int, height: int, width: int) -> nn.Module:
    model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **_SETTINGS.get(name, {}))
    if channels != 3:
        _replace_first_convolution(model, channels)
    return model


def _replace_first_convolution(model: nn.Module, channels: int) -> None:
    """Changes the input channels of the first convolution, with PyTorch's default initial weights."""
    name, old = next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    parent, _, last = name.rpartition(".")
    new = nn.Conv2d(
        channels,
        old.out_channels,
        kernel_size=(old.kernel_size[0], old.kernel_size[1]),
        stride=(old.stride[0], old.stride[1]),
        padding=old.padding if isinstance(old.padding, str) else (old.padding[0], old.padding[1]),
        bias=old.bias is not None,
    )
    setattr(model.get_submodule(parent), last, new)


@register_pattern(
    "torchvision:.*",
    form="torchvision:NAME",
    about="a torchvision classification model: torchvision:resnet18",
    names=lambda: (f"torchvision:{name}" for name in torchvision_names()),
)
def _parse(architecture: str) -> Registration:
    name = architecture.removeprefix("torchvision:")
    known = torchvision_names()
    if name not in known:
        listing = "import torchvision.models as m; print(*m.list_models(module=m))"
        raise unknown_name("torchvision model", name, known, do=f"`python -c {listing!r}` lists them all")
    weights = torchvision.models.get_model_weights(name)
    sizes = [weight.transforms().crop_size[0] for weight in weights]
    return Registration(factory=partial(_torchvision, name=name), input_size=min(sizes), external=True)
