"""Checks the arguments of `GuideBank` before any store is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from dgkd_cache.datasets.images import Images
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import TrustedKeys
from dgkd_stores.arguments import as_path, refusal, require_flags, require_kind, require_number

__all__ = ["check_bank_arguments", "check_guide_names"]

_CALL = "GuideBank"


def check_bank_arguments(
    stores: object,
    images: object,
    views: object,
    temperature: object,
    keep_on_device: object,
    reader: object,
    align: object,
    class_map: object,
    trusted: object,
) -> None:
    """Raises InvalidInput for the first argument that cannot be used."""
    _check_stores(stores)
    expected, do = "the training images, or a ViewRenderer of them", "write images=data.train"
    require_kind(_CALL, "images", images, (Images, ViewRenderer), expected=expected, do=do)
    if views is not None:
        do = f"write views=range({views})" if type(views) is int and views > 0 else ""
        if not isinstance(views, range) or not views or views.step != 1 or views.start < 0:
            raise refusal(_CALL, "views", views, expected="a range of consecutive view numbers, or None", do=do)
    if temperature is not None:
        require_number(_CALL, "temperature", temperature, low=0)
    require_kind(_CALL, "keep_on_device", keep_on_device, (bool, type(None)), expected="True, False or None")
    require_kind(_CALL, "reader", reader, str, expected="auto, mmap or pread")
    require_flags(_CALL, align=align)
    if align and isinstance(images, ViewRenderer):
        do = "give the images themselves; the view plan is then that of the first store"
        raise refusal(_CALL, "images", images, expected="the training images, to align", do=do)
    expected = "their name to ours, for each of our classes"
    require_kind(_CALL, "class_map", class_map, (Mapping, type(None)), expected=expected)
    if class_map is not None and not align:
        raise refusal(_CALL, "class_map", class_map, expected="None without align", do="it goes with align=True")
    do = "write trusted=TrustedKeys.read(keys=[KEY])"
    require_kind(_CALL, "trusted", trusted, (TrustedKeys, type(None)), expected="TrustedKeys, or None", do=do)


def check_guide_names(names: object, stores: Sequence[object]) -> None:
    """Raises InvalidInput unless the names are None or a text for each store."""
    if names is None:
        return
    expected = f"{len(stores)} names, one for each store, or None"
    fits = isinstance(names, Sequence) and not isinstance(names, str) and len(names) == len(stores)
    if not fits or not all(isinstance(name, str) and name for name in names):  # type: ignore[attr-defined]  # it fits
        raise refusal(_CALL, "names", names, expected=expected)


def _check_stores(stores: object) -> None:
    expected = "a list of paths of guide stores"
    if isinstance(stores, str | os.PathLike):
        raise refusal(_CALL, "stores", stores, expected=expected, do=f"write [{os.fspath(stores)!r}]")
    do = "write list(stores)" if isinstance(stores, Iterator) else 'write ["teacher.zarr", "ta1.zarr"]'
    require_kind(_CALL, "stores", stores, Sequence, expected=expected, do=do)
    assert isinstance(stores, Sequence)
    if not stores:
        do = "see which paths the pattern matches; train without a bank where there are no guides"
        raise refusal(_CALL, "stores", stores, expected="at least one guide store", do=do)
    for store in stores:
        as_path(_CALL, "stores", store, expected="the path of a guide store in each place of the list")
