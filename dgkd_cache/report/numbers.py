"""Numbers as the report prints them: shares in percent, differences in points, with a true minus sign."""

from __future__ import annotations

from dgkd_cache.report.results_file import Comparison, Summary

__all__ = [
    "detectable",
    "difference",
    "draws",
    "duration",
    "interval",
    "p_value",
    "percent",
    "points",
    "real",
    "removed",
    "spread",
    "whole",
]

_NONE = "–"


def percent(share: float | None, digits: int = 2) -> str:
    """Returns a share from 0 to 1 in percent."""
    return _NONE if share is None else f"{100 * share:.{digits}f} %"


def points(share: float | None, digits: int = 2) -> str:
    """Returns a difference of shares in percentage points, with its sign."""
    return _NONE if share is None else f"{100 * share:+.{digits}f}".replace("-", "−")


def spread(summary: Summary | None, *, scale: float = 100, digits: int = 2, unit: str = " %") -> str:
    """Returns mean ± sample standard deviation."""
    if summary is None:
        return _NONE
    deviation = "" if summary.deviation is None else f" ± {scale * summary.deviation:.{digits}f}"
    return f"{scale * summary.mean:.{digits}f}{deviation}{unit}"


def difference(one: Comparison | None) -> str:
    """Returns the mean paired difference in points."""
    return _NONE if one is None else points(one.mean)


def interval(one: Comparison | None) -> str:
    """Returns the 95 % interval of a paired difference in points."""
    return _NONE if one is None or one.low is None else f"{points(one.low)} to {points(one.high)}"


def detectable(one: Comparison | None) -> str:
    """Returns the smallest difference that would have been found, in points; "none" where the spread hides them all."""
    if one is None or one.detectable is None:
        return _NONE
    return f"{100 * one.detectable:.2f}" if one.detectable < 1 else "none"


def p_value(p: float | None) -> str:
    """Returns a p value with three decimals."""
    return _NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def real(value: float | None, digits: int = 3) -> str:
    """Returns a number with a fixed number of decimals."""
    return _NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def whole(value: int | None) -> str:
    """Returns a whole number with commas."""
    return _NONE if value is None else f"{value:,}"


def removed(sparsity: float) -> str:
    """Returns a sparsity in percent, without the sign."""
    return f"{100 * sparsity:.10g}"


def draws(count: int) -> str:
    """Returns a number of draws."""
    return f"{count:,} draw{'s' * (count != 1)}"


def duration(seconds: float | None) -> str:
    """Returns a time in the unit that suits it."""
    if seconds is None:
        return _NONE
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
