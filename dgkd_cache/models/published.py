"""Facts that torchvision and timm publish of a model: how test images are prepared, weights, names of classes.

A file of weights that torchvision published is known by the SHA-256 in its name, so transforms and classes are those of
just these weights; for others the transforms are those of the architecture's default weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision

from dgkd_cache.errors import Damaged, InvalidInput
from dgkd_cache.models.foreign_weights import ForeignWeights, read_foreign_weights, state_in
from dgkd_cache.models.timm_models import timm_config, timm_name
from dgkd_cache.run_files.preprocess import Preprocess, Resizing
from dgkd_cache.user_code import convert_errors

__all__ = ["Published", "pretrained_weights", "published_of"]

_TRANSFORMING = ("googlenet", "inception_v3")
"""Models of torchvision whose published weights expect (x - 0.5) / 0.5, which their own first step (`transform_input`)
makes of ImageNet's mean and deviation. Here the preprocessing does it: the models are built without that step."""

_BY_HAND = "download the file elsewhere, and adopt that"


@dataclass(frozen=True, kw_only=True)
class Published:
    """The facts that are published of a model."""

    preprocess: Preprocess | None
    """Its preprocessing; None for a model whose origin publishes none."""
    classes: tuple[tuple[str, ...], ...] = ()
    """The names of its classes in the order of its logits, in each way in which they are named; none if not known."""
    class_count: int | None = None
    """The number of classes of the published weights; None if it is not known."""
    name: str = ""
    """The name of the weights, as IMAGENET1K_V2 or c3_in1k; empty if they are not published ones."""
    url: str = ""
    """The address at which the weights are published; empty if it is not known."""


def published_of(architecture: str, *, sha256: str = "", pretrained: bool = False) -> Published:
    """Returns what is published of an architecture, and of its weights: those of `sha256`, or the `pretrained` ones.

    Raises InvalidInput for `pretrained` weights that do not exist, and for a preprocessing that is not supported.
    """
    if architecture.startswith("torchvision:"):
        return _of_torchvision(architecture.removeprefix("torchvision:"), sha256, pretrained)
    if architecture.startswith("timm:"):
        return _of_timm(timm_name(architecture), pretrained)
    if pretrained:
        raise InvalidInput(
            f"nothing is published of {architecture}",
            expected="--pretrained with an architecture torchvision:NAME or timm:NAME",
            found=architecture,
            do="adopt a file of weights",
        )
    return Published(preprocess=None)


def pretrained_weights(architecture: str) -> ForeignWeights:
    """Returns the published weights of an architecture, downloaded into the cache of torch or of huggingface_hub.

    Raises InvalidInput if they cannot be downloaded, Damaged if the file is not the published one.
    """
    published = published_of(architecture, pretrained=True)
    expected, do = "a connection to where it is published, or the file in the cache", _BY_HAND
    with convert_errors(f"the weights of {architecture} cannot be had", expected=expected, do=do):
        if architecture.startswith("timm:"):
            import timm

            model = timm.create_model(timm_name(architecture), pretrained=True)  # its loader reads with weights_only
            tensors, _ = state_in(dict(model.state_dict()), architecture)
            return ForeignWeights(tensors=tensors, sha256="")
        path = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(published.url, str(path), _digest_in(published.url), progress=False)
        found = read_foreign_weights(path)
    if not found.sha256.startswith(_digest_in(published.url)):
        raise Damaged(
            f"{path} is not what is published",
            expected=f"SHA-256 {_digest_in(published.url)}...",
            found=found.sha256[:16],
            do="remove the file, and run the same command again",
        )
    return found


def _of_torchvision(name: str, sha256: str, pretrained: bool) -> Published:
    entries = list(torchvision.models.get_model_weights(name))
    default: Any = torchvision.models.get_model_weights(name).DEFAULT
    digests = {one: _digest_in(one.url) for one in entries}
    known = next((one for one in entries if sha256 and digests[one] and sha256.startswith(digests[one])), None)
    entry: Any = default if known is None else known
    exact = pretrained or known is not None
    transforms = entry.transforms()
    mean, std = (list(map(str, values)) for values in (transforms.mean, transforms.std))
    if exact and name in _TRANSFORMING:
        mean = std = ["0.5"] * 3
    categories = entry.meta.get("categories") if exact else None
    return Published(
        preprocess=Preprocess.build(
            mean=mean,
            std=std,
            input_size=transforms.crop_size[0],
            resizing=Resizing(
                interpolation=transforms.interpolation.value,
                arithmetic="torchvision",
                short_side=transforms.resize_size[0],
            ),
        ),
        classes=(tuple(categories),) if categories else (),
        class_count=len(categories) if categories else None,
        name=entry.name if exact else "",
        url=entry.url if exact else "",
    )


def _digest_in(url: str) -> str:
    """Returns the beginning of the SHA-256 that the name of a published file ends with; empty if it has none."""
    found = re.search(r"-([0-9a-f]{8,})\.[a-z]+$", url)
    return found[1] if found else ""


def _of_timm(name: str, pretrained: bool) -> Published:
    config = timm_config(name)
    origin = config.get("hf_hub_id") or config.get("url") or ""
    if pretrained and not origin:
        raise InvalidInput(
            f"timm publishes no weights of {name}",
            expected="a name with weights, as `python -c 'import timm; print(*timm.list_pretrained())'` lists them",
            found=name,
            do="adopt a file of weights",
        )
    preprocess = _timm_preprocess(config)
    if not pretrained:
        return Published(preprocess=preprocess)
    return Published(
        preprocess=preprocess,
        classes=_timm_classes(config),
        class_count=config.get("num_classes"),
        name=config.get("tag", ""),
        url=str(origin),
    )


def _timm_preprocess(config: Mapping[str, Any]) -> Preprocess | None:
    """Returns the preprocessing of test images; None for one that is not supported."""
    _, height, width = config["input_size"]
    mode = config.get("crop_mode", "center")
    if height != width or mode not in ("center", "squash") or config["interpolation"] not in ("bilinear", "bicubic"):
        return None
    return Preprocess.build(
        mean=list(map(str, config["mean"])),
        std=list(map(str, config["std"])),
        input_size=height,
        resizing=Resizing(
            interpolation=config["interpolation"],
            arithmetic="pillow",
            short_side=math.floor(height / config["crop_pct"]),
            squash=mode == "squash",
        ),
    )


def _timm_classes(config: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Returns the names of the classes of published weights: of ImageNet's subsets as synsets and as words."""
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    if config.get("label_names"):
        return (tuple(map(str, config["label_names"])),)
    subset = infer_imagenet_subset(dict(config))
    if not subset:
        return ()
    info: Any = ImageNetInfo(subset)
    return tuple(info.label_names()), tuple(info.label_descriptions())
