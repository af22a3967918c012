"""Images and guide stores of any size, made here: no step, gather or dump is faster or slower for what they show.

Stores are written by `GuideStoreWriter` with the identity of the images, so that a bank takes them like any other; only
their rows are random, the same ones in every view.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.views.plan import Scheme, ViewPlan
from dgkd_cache.views.probe import make_probe
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import (
    DatasetIdentity,
    GuideIdentity,
    GuideStoreWriter,
    IdentityArrays,
    JsonValue,
    StoreHeader,
    default_digest_rows,
    get_encoding,
    split_draw_name,
)

__all__ = ["PREPROCESS", "cifar_like", "linear_logits", "random_store", "random_stores", "views_of"]

PREPROCESS = Preprocess.build(mean=("0.4914", "0.4822", "0.4465"), std=("0.2470", "0.2435", "0.2616"))
"""The usual normalisation of CIFAR-10."""


def cifar_like(samples: int, classes: int, *, size: int = 32, split: str = "train") -> TensorImages:
    """Random uint8 pixels [N, 3, size, size] with random labels."""
    random = np.random.default_rng(0)
    pixels_NIHW = torch.from_numpy(random.integers(0, 256, (samples, 3, size, size), np.uint8))
    labels_N = random.integers(0, classes, samples)
    return TensorImages(pixels_NIHW, labels_N, classes=[f"c{i}" for i in range(classes)], name="random", split=split)


def views_of(images: TensorImages, *, scheme: Scheme = "sampled") -> ViewRenderer:
    """Crop with padding 4 and flip, as is usual for CIFAR."""
    image = (images.channels, images.height, images.width)
    return ViewRenderer(ViewPlan.build(image=image, transforms=["crop(4)", "hflip"], scheme=scheme), images)


def random_stores(folder: Path, views: ViewRenderer, guides: int, *, count: int) -> list[Path]:
    """One store for each of so many guides, `guide0.zarr` and so on: the ones that are not there are made."""
    paths = [folder / f"guide{i}.zarr" for i in range(guides)]
    for path in paths:
        if not path.exists():
            random_store(path, views, count=count)
    return paths


def random_store(
    path: Path, views: ViewRenderer, *, count: int, encoding: str = "float16", width: int = 0, seed_of: str = ""
) -> None:
    """A finished store of random logits over `count` views; the guide is called as the file is.

    NAME.dNUMBER.zarr has a draw of the guide NAME; each has rows of its own. With `width` rows are those of a linear
    layer of so many inputs, as in `factored`, where it is 1/4 of the classes otherwise. `topk` keeps 1/4 of the
    classes. `seed_of` is the name whose rows they are (default: the file's).
    """
    images, (name, draw) = views.images, split_draw_name(path.stem)
    seed_of = seed_of or path.stem
    classes, samples = len(images.classes), len(images)
    quarter = max(1, classes // 4)
    width = width or (quarter if encoding == "factored" else 0)
    of_encoding: dict[str, dict[str, JsonValue]] = {
        "factored": {"width": width},
        "topk": {"k": quarter, "temperatures": ["4"]},
    }
    settings = of_encoding.get(encoding, {})
    held_as = get_encoding(encoding).with_settings(settings, classes)
    kind, probe = make_probe(views, 0, count)
    guide = GuideIdentity(
        name=name,
        architecture="",
        parameters=0,
        weights_digest=hashlib.sha256(name.encode()).hexdigest(),
        accuracy="",
        training={},
        guides={},
    )
    header = StoreHeader(
        dataset=DatasetIdentity(
            name=images.name,
            split=images.split,
            classes=images.classes,
            samples=samples,
            test_samples=0,
            digest=images.digest,
            sample_digest=images.digest_kind,
        ),
        plan=views.plan.to_dict(),
        plan_digest=views.plan.digest,
        first_view=0,
        views=count,
        guide=guide if draw is None else guide.of_draw(draw, {"dropout": "0.3"}),
        encoding=encoding,
        fidelity={"kl": "0", "top1": "1", "rows": 0},
        temperature="4",
        digest_rows=default_digest_rows(held_as.row_bytes(classes)),
        probe=kind,
        compute={"batch": 512},
        licence="",
        encoding_settings=settings,
    )
    digests = [views.plan.view_digest(view, samples) for view in range(count)]
    identity = IdentityArrays(
        label_N=images.labels_N,
        sample_digest_N16=images.sample_digest_N16,
        view_digest_V32=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        probe=probe,
        test_logits_MC=np.zeros((0, classes), np.float32),
        test_label_M=np.zeros(0, np.int64),
        test_sample_digest_M16=np.zeros((0, 16), np.uint8),
        shared=_shared(seed_of, classes, width) if encoding == "factored" else {},
    )
    if width:
        logits_NC = linear_logits(seed_of, samples, classes, width)
    else:
        logits_NC = _random(seed_of).standard_normal((samples, classes), np.float32)
    with GuideStoreWriter(path, header, identity) as writer:
        for slot in writer.missing():
            writer.write(slot, logits_NC[slot.start : slot.stop])
        writer.seal()


def linear_logits(name: str, samples: int, classes: int, width: int) -> NDArray[np.float32]:
    """Logits of a linear layer, of a standard deviation of 2, divided by a temperature of 4; other ones for each name.

    The first rows are the same for any number of samples.
    """
    features_ND = np.random.default_rng(1).standard_normal((samples, width), np.float32)
    return np.asarray(features_ND @ _weights(name, classes, width).T, np.float32)


def _weights(name: str, classes: int, width: int) -> NDArray[np.float32]:
    return _random(name).standard_normal((classes, width), np.float32) * np.float32(2 / 4 / width**0.5)


def _shared(name: str, classes: int, width: int) -> dict[str, NDArray[np.float32]]:
    basis_CD = np.linalg.qr(_weights(name, classes, width).astype(np.float64))[0]
    return {"basis": np.ascontiguousarray(basis_CD, np.float32), "bias": np.zeros(classes, np.float32)}


def _random(name: str) -> np.random.Generator:
    """Other numbers for each name."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little"))
