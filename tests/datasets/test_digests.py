"""The digests of samples and splits are those that the design spells out."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import torch

from dgkd_cache.datasets.digests import content_digest, digest_rows, pixel_digest
from dgkd_cache.datasets.images import TensorImages

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 3, 5, 4), dtype=np.uint8)


def make() -> TensorImages:
    return TensorImages(PIXELS.copy(), np.arange(12) % 3, classes=("a", "é", "c"), name="tiny", split="train")


def test_sample_digest_is_sha256_of_shape_and_pixels() -> None:
    found, images = digest_rows(map(pixel_digest, torch.from_numpy(PIXELS))), make()
    for sample in (0, 7, 11):
        record = struct.pack("<3q", 3, 5, 4) + bytes(PIXELS[sample].flatten().tolist())
        assert found[sample].tobytes() == hashlib.sha256(record).digest()[:16]
    assert np.array_equal(images.sample_digest_N16, found)


def test_digest_covers_classes_geometry_labels_and_samples() -> None:
    images = make()
    head = {
        "channels": 3,
        "classes": ["a", "é", "c"],
        "height": 5,
        "sample_digest": "pixels",
        "samples": 12,
        "width": 4,
    }
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    labels = struct.pack("<12q", *[i % 3 for i in range(12)])
    samples = b"".join(hashlib.sha256(struct.pack("<3q", 3, 5, 4) + row.tobytes()).digest()[:16] for row in PIXELS)
    assert content_digest(images) == images.digest == hashlib.sha256(text + labels + samples).hexdigest()
