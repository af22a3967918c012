"""Text of a store made safe for the card of a guide: in Markdown, in YAML, and as the Hub's own words."""

from __future__ import annotations

import json

from dgkd_stores.sanitize import clean

__all__ = ["LICENCES", "hub_licence", "in_markdown", "in_yaml", "percent", "size_category", "size_text"]

_SPDX = (
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "GPL-3.0", "LGPL-3.0", "AGPL-3.0", "MPL-2.0",
    "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0",
    "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "ODC-By", "ODbL", "PDDL", "Unlicense",
)  # fmt: skip
LICENCES = {name.lower(): name for name in _SPDX}
"""Licences that the Hub knows by these words, each with its identifier at SPDX."""

_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
)  # fmt: skip


def in_markdown(text: str) -> str:
    """Returns text of a store, cleaned and cut, as a code span: no markup, link, mention or HTML in it acts.

    A backtick or a bar, which would end the span or a table's cell, is shown as ' or /.
    """
    shown = " ".join(clean(text).replace("`", "'").replace("|", "/").split())
    return f"`{shown}`" if shown else "-"


def in_yaml(text: str) -> str:
    """Returns text of a store, cleaned and cut, as a YAML string in double quotes."""
    return json.dumps(clean(text), ensure_ascii=False)


def hub_licence(licence: str) -> list[str]:
    """Returns the Hub's lines for a licence in its maker's words."""
    if not licence.strip():
        return ["license: unknown"]
    word = licence.strip().lower()
    if word in LICENCES:
        return [f"license: {word}"]
    return ["license: other", f"license_name: {in_yaml(licence)}"]


def size_category(samples: int) -> str:
    """Returns the Hub's word for a number of samples."""
    return next((word for limit, word in _SIZES if samples < limit), "n>1B")


def percent(share: str) -> str:
    """Formats a decimal between 0 and 1: "0.8812" is "88.12 %"."""
    return f"{100 * float(share):.4g} %"


def size_text(nbytes: int) -> str:
    """Formats bytes in decimal units, with three significant figures."""
    size, units = float(nbytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
