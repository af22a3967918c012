"""Checks that a guide store was made from these samples with these views, and adopts its view plan.

An error names the first difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dgkd_cache.datasets.aligned import AlignedImages
from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.decoders import PILLOW
from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import DgkdError, Mismatch
from dgkd_cache.guides.align import can_align
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.probe import check_probe
from dgkd_cache.views.registry import transform_text
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, StoreHeader, clean, probe_views

__all__ = ["ALIGN_HINT", "adopt_plan", "check_store", "columns_of"]

ALIGN_HINT = "write align=True, which matches the samples by content"
"""For a user of the library; a workspace has a hint of its own."""


def adopt_plan(store: GuideStore, images: Images, device: torch.device) -> ViewRenderer:
    """Returns the store's view plan bound to `images`, whose pixels in memory are copied to `device`.

    Raises Mismatch for a store of other images, or with a plan that cannot be followed here.
    """
    _check_data(store, images)
    who = _describe(store)
    try:
        plan = ViewPlan.from_dict(store.header.plan)
    except DgkdError as error:
        raise Mismatch(
            f"{who} has a view plan that cannot be followed here",
            expected=error.expected or "a view plan of this version",
            found=error.found or error.problem,
            do="update dgkd-cache, or use a guide that was dumped with this version",
        ) from error
    return ViewRenderer(plan, images.to(device))


def check_store(store: GuideStore, views: ViewRenderer) -> None:
    """Raises Mismatch for a store whose samples, classes, view plan or replayed pixels are not those of `views`.

    Where views mix samples, raises as `ViewRenderer.require_partners`.
    """
    header: StoreHeader = store.header
    images = views.images
    _check_data(store, images)
    who = _describe(store)
    if header.plan_digest != views.plan.digest:
        mine, theirs = _held_out(views.plan.to_dict()), _held_out(header.plan)
        raise Mismatch(
            f"{who} was dumped under another view plan",
            expected=f"plan {views.plan.digest[:16]} ({_plan_difference(views.plan.to_dict(), header.plan)})",
            found=f"plan {header.plan_digest[:16]}",
            do="copy the [views] settings of the guide's workspace, or train and dump the guide again under this plan"
            if mine == theirs or None in (mine, theirs)
            else f"hold out as many samples as the guide's workspace does (validation in [dataset], {theirs} there and "
            f"{mine} here): its views mix them among themselves",
        )
    views.require_partners()
    check_probe(views, kind=header.probe, values=store.probe, ranges=probe_views(header))
    for offset in _checked_views(header.views, len(images)):
        view = header.view_at(offset)
        if views.plan.view_digest(view, len(images)) != store.view_digest_V32[offset].tobytes():
            raise Mismatch(
                f"{who} has other augmentation parameters",
                expected=f"the parameters of view {view} under this plan",
                found="other parameters with the same plan digest",
                do="have the guide dumped again: its writer does not follow the plan",
            )


def columns_of(store: GuideStore, images: Images) -> NDArray[np.int64] | None:
    """Returns the columns of our classes in the rows of a store, int64 (C,), by the alignment of `images`; None: all.

    A store that was dumped here, in our own classes, has all.
    """
    if isinstance(images, AlignedImages) and tuple(store.header.dataset.classes) == images.guide.classes:
        return images.columns_C
    return None


def _check_data(store: GuideStore, images: Images) -> None:
    """Raises Mismatch for a store of other samples, labels, classes, decoding rules or decoder."""
    header: StoreHeader = store.header
    who, classes = _describe(store), tuple(header.dataset.classes)
    # A store of the classes of the guide that the images are aligned with must have its samples in its order.
    of_guide = isinstance(images, AlignedImages) and classes == images.guide.classes
    seen = images.guide if isinstance(images, AlignedImages) and of_guide else images
    if classes != tuple(seen.classes):
        raise Mismatch(
            f"{who} was dumped for other classes",
            expected=_few(seen.classes),
            found=_few(classes),
            do="use a guide of this data set, or align with a class map where only names differ",
        )
    difference = explain_difference(
        seen, label_N=store.label_N, sample_digest_N16=store.sample_digest_N16, classes=classes
    )
    if difference is not None or header.dataset.digest != seen.digest:
        raise Mismatch(
            f"{who} was dumped from another data set",
            expected=f"data set {seen.name} with digest {seen.digest[:16]}",
            found=f"data set {header.dataset.name} with digest {header.dataset.digest[:16]}"
            + (f" ({difference})" if difference else ""),
            do=ALIGN_HINT
            if not isinstance(images, AlignedImages) and can_align(images, store)
            else "use the data set that the guide saw, or train and dump the guide again on this one",
        )
    decoded = header.compute.get("decoding", {})
    if decoded != images.decoding:
        raise Mismatch(
            f"{who} saw images that were decoded by other rules",
            expected=f"decoding rules {_brief(images.decoding)}",
            found=_brief(decoded),
            do="dump the guide again from a model that is trained on these images, with one version of dgkd-cache",
        )
    decoder, own = header.plan.get("decoder", PILLOW), images.decoder or PILLOW
    if decoder != own:
        raise Mismatch(
            f"{who} saw JPEGs that another library had decoded",
            expected=f"decoder {own}, as these images have it",
            found=f"decoder {_brief(decoder)}",
            do="load the images with the guide's decoder (in [views], or of load_dataset), or dump the guide again",
        )


def _describe(store: GuideStore) -> str:
    return f"guide {store.header.guide.called!r} ({store.path})"


_ROWS_CHECKED = 4_000_000


def _checked_views(views: int, samples: int) -> list[int]:
    """Returns the views whose parameters are recomputed: all if that takes about 1 s, else evenly spaced ones."""
    count = min(views, max(2, _ROWS_CHECKED // max(samples, 1)))
    return sorted({round(i * (views - 1) / max(count - 1, 1)) for i in range(count)})


def _few(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"{len(classes)} classes ({shown})"


def _held_out(plan: Mapping[str, Any]) -> int | None:
    """Returns the number of held-out samples that a plan names, which those have that mix samples."""
    transforms = plan.get("transforms")
    last = transforms[-1] if isinstance(transforms, list) and transforms else None
    held = last.get("held_out") if isinstance(last, Mapping) else None
    return held if isinstance(held, int) else None


def _plan_difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    told = []
    for key in keys[:3]:
        here, there = (_shown(key, plan.get(key)) for plan in (mine, theirs))
        same = f"{key} {here} in both, with other numbers that are not written"  # tables, or samples held out
        told.append(same if here == there else f"{key} {here} here, {there} there")
    return "; ".join(told)


def _shown(key: str, value: Any) -> str:
    """Returns a value of a plan for a message: transforms as they are written, without their tables."""
    if key == "transforms" and isinstance(value, list | tuple):
        return clean(", ".join(map(transform_text, value)))[:160]
    return _brief(value)


def _brief(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False))[:160]
