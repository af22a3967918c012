"""Computes the size of a guide's store before it is written, from its drafted header and the layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dgkd_cache.dump.encoding_error import encoding_error_rows
from dgkd_cache.errors import InvalidInput
from dgkd_stores import MAX_RECORD_BYTES, JsonValue, StoreHeader, default_digest_rows, finished_bytes, get_encoding

__all__ = ["SLACK_BYTES", "check_store_bytes", "draft_bytes", "settings_of_width"]

SLACK_BYTES = 64
"""The final header may be shorter by this: accuracy and encoding error count with their maximum of digits."""

_ACCURACY = "0.123456"
_FIDELITY = {"kl": "0.000000123456", "top1": "0.123456"}
_EXACT = {"kl": "0", "top1": "1"}


def settings_of_width(encoding: str, width: int | None) -> dict[str, JsonValue]:
    """Returns the header's `encoding_settings`; `width` are the coefficients in a row, which `factored` must know."""
    return {"width": width} if encoding == "factored" and width is not None else {}


def draft_bytes(drafted: StoreHeader, encoding: str, *, width: int | None = None) -> int:
    """Returns the size of the finished, uncompressed store in that encoding, at most `SLACK_BYTES` too large.

    `width` are the coefficients of a row in the encoding `factored`.
    """
    settings = settings_of_width(encoding, width)
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
