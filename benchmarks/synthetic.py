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
    StoreHeader,
    default_digest_rows,
    get_encoding,
)

__all__ = ["PREPROCESS", "cifar_like", "random_store", "random_stores", "views_of"]

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


def random_store(path: Path, views: ViewRenderer, *, count: int, encoding: str = "float16") -> None:
    """A finished store of random logits over `count` views; the guide is called as the file is."""
    images, name = views.images, path.stem
    classes, samples = len(images.classes), len(images)
    kind, probe = make_probe(views, 0, count)
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
        guide=GuideIdentity(
            name=name,
            architecture="",
            parameters=0,
            weights_digest=hashlib.sha256(name.encode()).hexdigest(),
            accuracy="",
            training={},
            guides={},
        ),
        encoding=encoding,
        fidelity={"kl": "0", "top1": "1", "rows": 0},
        temperature="4",
        digest_rows=default_digest_rows(get_encoding(encoding).row_bytes(classes)),
        probe=kind,
        compute={"batch": 512},
        licence="",
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
    )
    logits_NC = _logits(name, samples, classes)
    with GuideStoreWriter(path, header, identity) as writer:
        for slot in writer.missing():
            writer.write(slot, logits_NC[slot.start : slot.stop])
        writer.seal()


def _logits(name: str, samples: int, classes: int) -> NDArray[np.float32]:
    """The rows of a guide, other ones for each name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).standard_normal((samples, classes), np.float32)
