"""Formats numbers for people: sizes, times, rates, shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.filesize import pick_unit_and_suffix

__all__ = [
    "amount_text",
    "count_text",
    "duration_text",
    "files_text",
    "percent_text",
    "rate_text",
    "share_number",
    "size_text",
    "with_numbers",
]


def size_text(nbytes: int) -> str:
    """Formats bytes in decimal units, with three significant figures: 1620000000 -> "1.62 GB"."""
    # `filesize.decimal` has a fixed number of decimal places: 1.62 GB would be 1.6 GB, and 999,999 bytes "1,000.0 kB".
    rounded = round(nbytes, 3 - len(str(nbytes)))
    unit, suffix = pick_unit_and_suffix(rounded, ["B", "kB", "MB", "GB", "TB", "PB"], 1000)
    return f"{rounded / unit:.3g} {suffix}"


def duration_text(seconds: float) -> str:
    """Formats seconds: 3.2 -> "3.2 s", 75 -> "1 min 15 s", 7500 -> "2 h 05 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def amount_text(number: int, unit: str) -> str:
    """Formats an amount: "1,437 samples", or a size if the unit is bytes."""
    return size_text(number) if unit == "bytes" else f"{count_text(number)} {unit}"


def rate_text(rate: float, unit: str) -> str:
    """Formats a rate in units per second."""
    if unit == "bytes":
        return f"{size_text(round(rate))}/s"
    return f"{rate:,.0f} {unit}/s" if rate >= 100 else f"{rate:.3g} {unit}/s"


def count_text(number: int) -> str:
    """Formats an exact count with separators."""
    return f"{number:,}"


def files_text(nbytes: int, files: int) -> str:
    """Formats a size and a number of files: "147 kB in 23 files"."""
    return f"{size_text(nbytes)} in {count_text(files)} {'file' if files == 1 else 'files'}"


def percent_text(share: str | float | None) -> str:
    """Formats a share in [0, 1], a decimal string or a number: "0.8812" -> "88.12 %"; anything else -> "-"."""
    number = share_number(share)
    return "-" if number is None else f"{number * 100:.2f} %"


def share_number(share: str | float | None) -> float | None:
    """Converts a share, a decimal string in files, to a JSON number; None unless it is a finite number."""
    try:
        number = math.nan if share is None or share == "" else float(share)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def with_numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a record for `--json` with its "accuracy" as a number, or as numbers by split."""
    accuracy = record["accuracy"]
    if isinstance(accuracy, Mapping):
        return {**record, "accuracy": {split: share_number(share) for split, share in accuracy.items()}}
    return {**record, "accuracy": share_number(accuracy)}
