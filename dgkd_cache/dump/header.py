"""A guide store's header before the first forward pass, and its identity arrays.

They tell a student which guide it has, and that it sees the samples and views that the guide saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dgkd_cache.errors import Mismatch
from dgkd_cache.models.registry import count_parameters
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.views.probe import make_probe
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import (
    DatasetIdentity,
    GuideIdentity,
    IdentityArrays,
    JsonValue,
    StoreHeader,
    decimal,
    default_digest_rows,
    encoding_named,
)

__all__ = ["draft_header", "guide_identity", "identity_arrays"]


def guide_identity(
    model: nn.Module,
    name: str,
    *,
    architecture: str,
    training: Mapping[str, Any] | None,
    guides: Mapping[str, str] | None,
) -> GuideIdentity:
    """The identity of a guide but for its accuracy; `architecture` is the name of its class where it is empty."""
    weights = weights_digest(model)  # which refuses a model that has none yet
    return GuideIdentity(
        name=name,
        architecture=architecture or type(model).__name__,
        parameters=count_parameters(model),
        weights_digest=weights,
        accuracy="",
        training=dict(training or {}),
        guides=dict(guides or {}),
    )


def draft_header(
    guide: GuideIdentity,
    train: ViewRenderer,
    test: ViewRenderer,
    *,
    views: range,
    encoding: str,
    temperature: float,
    compute: Mapping[str, JsonValue],
    licence: str,
) -> StoreHeader:
    """The header but for what only the forward pass can tell: accuracy and encoding error.

    Raises Mismatch where training and test images have different classes.
    """
    images, tests, plan = train.images, test.images, train.plan
    if images.classes != tests.classes:
        raise Mismatch(
            "training and test images have different classes",
            expected=", ".join(images.classes[:8]),
            found=", ".join(tests.classes[:8]),
        )
    exact = plan.exact and images.digest_kind == "pixels"
    return StoreHeader(
        dataset=DatasetIdentity(
            name=images.name,
            split=images.split,
            classes=images.classes,
            samples=len(images),
            test_samples=len(tests),
            digest=images.digest,
            sample_digest=images.digest_kind,
        ),
        plan=plan.to_dict(),
        plan_digest=plan.digest,
        first_view=views.start,
        views=len(views),
        guide=guide,
        encoding=encoding,
        fidelity={"kl": "0", "top1": "1", "rows": 0},
        temperature=decimal(temperature),
        digest_rows=default_digest_rows(encoding_named(encoding).row_bytes(len(images.classes))),
        probe="sha256" if exact else "projection",
        compute=compute,
        licence=licence,
    )


def identity_arrays(
    train: ViewRenderer, test: ViewRenderer, header: StoreHeader, test_logits_MC: NDArray[np.float32]
) -> IdentityArrays:
    """The arrays of the store with that header; `test_logits_MC` are the guide's on the test images, softened."""
    images, tests, views = train.images, test.images, header.view_range
    kind, probe = make_probe(train, views.start, len(views))
    assert kind == header.probe, "the probe and the header take their kind from the same rule"
    digests = [train.plan.view_digest(view, len(images)) for view in views]
    return IdentityArrays(
        label_N=images.labels_N,
        sample_digest_N16=images.sample_digest_N16,
        view_digest_V32=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        probe=probe,
        test_logits_MC=test_logits_MC,
        test_label_M=tests.labels_N,
        test_sample_digest_M16=tests.sample_digest_N16,
    )
