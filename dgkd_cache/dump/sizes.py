"""Computes the size of a guide's store before it is written, from its drafted header and the layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dgkd_cache.dump.encoding_error import encoding_error_rows
from dgkd_cache.errors import InvalidInput
from dgkd_stores import (
    MAX_RECORD_BYTES,
    JsonValue,
    StoreHeader,
    decimal,
    default_digest_rows,
    finished_bytes,
    get_encoding,
)

__all__ = ["SLACK_BYTES", "check_store_bytes", "draft_bytes", "settings_of_width", "topk_settings"]

SLACK_BYTES = 64
"""The final header may be shorter by this: accuracy and encoding error count with their maximum of digits."""

_ACCURACY = "0.123456"
_FIDELITY = {"kl": "0.000000123456", "top1": "0.123456"}
_EXACT = {"kl": "0", "top1": "1"}


def settings_of_width(encoding: str, width: int | None) -> dict[str, JsonValue]:
    """Returns the header's `encoding_settings`; `width` are the coefficients in a row, which `factored` must know."""
    return {"width": width} if encoding == "factored" and width is not None else {}


def topk_settings(
    k: int, temperature: float, others: Iterable[float], *, classes: int, what: str
) -> dict[str, JsonValue]:
    """Returns the header's `encoding_settings` of `topk`: tails at `temperature`, at 1 and at `others`.

    Raises InvalidInput, which says that it is of `what`, unless k is below the number of classes, and for temperatures
    that are too many or too far from the first.
    """
    if k >= classes:
        raise InvalidInput(
            f"{what}: rows of topk = {k} logits leave nothing out",
            expected=f"topk from 1 to {classes - 1}, for {classes} classes" if classes > 1 else "two classes or more",
            found=f"{k}",
            do="choose another encoding: float16 holds all logits",
        )
    further = sorted({1.0, *others} - {temperature})
    settings: dict[str, JsonValue] = {"k": k, "temperatures": [decimal(each) for each in (temperature, *further)]}
    try:
        get_encoding("topk").with_settings(settings, classes)
    except InvalidInput as error:
        raise InvalidInput(
            f"{what}: temperatures that rows of topk cannot have together",
            expected="at most 16, each within a factor of 2^20 of the rows' own",
            found=", ".join(f"{each:g}" for each in (temperature, *further))[:160],
            do="leave some out of topk_temperatures",
        ) from error
    return settings


def draft_bytes(drafted: StoreHeader, encoding: str, *, width: int | None = None) -> int:
    """Returns the size of the finished, uncompressed store in that encoding, at most `SLACK_BYTES` too large.

    `width` are the coefficients of a row in the encoding `factored`. Settings of `topk` are those of the draft.
    """
    settings = settings_of_width(encoding, width)
    if encoding == drafted.encoding:
        settings = dict(drafted.encoding_settings)
    row = get_encoding(encoding).with_settings(settings, drafted.classes).row_bytes(drafted.classes)
    measured = _EXACT if encoding == "float32" else _FIDELITY
    header = replace(
        drafted,
        encoding=encoding,
        encoding_settings=settings,
        digest_rows=default_digest_rows(row),
        fidelity={**measured, "rows": encoding_error_rows(drafted.dataset.samples)},
        guide=replace(drafted.guide, accuracy=_ACCURACY),
    )
    return finished_bytes(header)


def check_store_bytes(
    *, views: int, samples: int, classes: int, encoding: str, settings: Mapping[str, JsonValue] | None = None
) -> int:
    """Returns the bytes of all rows of one uncompressed store; raises InvalidInput if the format cannot hold it."""
    nbytes = views * samples * get_encoding(encoding).with_settings(settings or {}, classes).row_bytes(classes)
    if nbytes > MAX_RECORD_BYTES:
        raise InvalidInput(
            "a guide's store would be larger than a store may be",
            expected=f"at most {MAX_RECORD_BYTES:,} bytes of rows",
            found=f"{nbytes:,} ({views:,} views of {samples:,} samples and {classes:,} classes in {encoding})",
            do="lower views.count; more views can go into a second store of the same guide",
        )
    return nbytes
