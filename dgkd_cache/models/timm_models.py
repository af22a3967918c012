"""timm:NAME, the models of timm's registry (PyTorch Image Models, Wightman 2019) with new weights for any classes.

timm is an extra, loaded for these names alone. Only names of its registry are taken, as `resnet10t` or, with the tag of
published weights, `resnet10t.c3_in1k`: the sources `hf-hub:` and `local-dir:` would let files from elsewhere choose
what is built. Views are resized to the size of timm's data configuration, which the model's card records.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.models.registry import Registration, register_pattern

__all__ = ["timm_config", "timm_name"]

_PREFIX = "timm:"


def timm_name(architecture: str) -> str:
    """Returns the name in timm's registry. Raises InvalidInput without timm, and for anything but such a name."""
    name = architecture.removeprefix(_PREFIX)
    source, colon, _ = name.partition(":")
    if colon or "/" in name or "\\" in name:
        raise InvalidInput(
            f"{architecture} is not in timm's registry",
            expected="timm:NAME with a name that timm.list_models() has, as timm:resnet10t",
            found=f"the source {source}:, which would choose what is built" if colon else "a path",
            do="name the architecture, and adopt its weights from a file",
        )
    timm = _import_timm()
    if not timm.is_model(name):
        do = "`python -c 'import timm; print(*timm.list_models())'` lists them all"
        raise unknown_name("timm model", name, timm.list_models(), do=do)
    tag = name.partition(".")[2]
    tags = [one.partition(".")[2] for one in timm.list_models(f"{name.partition('.')[0]}", include_tags=True)]
    if tag and tag not in tags:
        raise unknown_name(f"tag of the timm model {name.partition('.')[0]}", tag, filter(None, tags))
    return name


def timm_config(name: str) -> Mapping[str, Any]:
    """Returns what timm publishes of a model: input size, interpolation, crop, mean, std, classes and source."""
    config: Mapping[str, Any] = _import_timm().get_pretrained_cfg(name).to_dict()
    return config


def _import_timm() -> Any:
    """Returns the package. Raises InvalidInput if it is not installed."""
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise InvalidInput(
            "timm is not installed",
            expected="the extra timm, for architectures timm:NAME",
            found="no module timm",
            do='`pip install "dgkd-cache[timm]"`',
        ) from error
    return timm


def _build(*, name: str, channels: int, classes: int, height: int, width: int) -> nn.Module:
    config = timm_config(name)
    size: dict[str, object] = {}
    if config.get("fixed_input_size") and (height, width) != tuple(config["input_size"][1:]):
        size = {"img_size": (height, width)}
    model: nn.Module = _import_timm().create_model(
        name, pretrained=False, num_classes=classes, in_chans=channels, **size
    )
    return model


@register_pattern("timm:.*", form="timm:NAME", about="a model of timm's registry (extra timm): timm:resnet10t")
def _parse(architecture: str) -> Registration:
    name = timm_name(architecture)
    _, height, width = timm_config(name)["input_size"]
    # A model for images that are not square gets views as they are.
    return Registration(
        factory=partial(_build, name=name), input_size=height if height == width else None, external=True
    )
