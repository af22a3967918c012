"""Text that acts on a terminal or a page, in stores that are otherwise sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stores.support.refusals import edit

from dgkd_stores import UnsafeStore

from .corpus import hostile, reseal

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\u202e\u2066[red]<script>\u2028\u200b\x00"


def header(store: Path, *keys: Any, value: Any) -> None:
    edit(store / "zarr.json", "attributes", "dgkd", *keys, value=value)
    reseal(store)


@hostile(None)
def text_in_what_is_shown(store: Path) -> None:
    """Harmless once it is cleaned wherever it is shown."""
    header(store, "licence", value=EVIL)
    header(store, "guide", "architecture", value=EVIL)
    header(store, "guide", "training", EVIL, value=EVIL)
    header(store, "guide", "guides", EVIL, value="b" * 64)
    header(store, "dataset", "name", value=EVIL)
    header(store, "dataset", "split", value=EVIL)
    header(store, "dataset", "classes", value=[EVIL, EVIL * 2, "c"])
    header(store, "compute", EVIL, value=EVIL)


@hostile(None)
def text_of_a_megabyte(store: Path) -> None:
    """Bounded wherever it is shown."""
    header(store, "licence", value="x" * 2**20)
    header(store, "compute", "y" * 2**18, value="z" * 2**18)


@hostile(UnsafeStore)
def text_in_an_unknown_key(store: Path) -> None:
    """A refusal names the key."""
    header(store, EVIL, value=1)


@hostile(UnsafeStore)
def text_in_a_known_key(store: Path) -> None:
    """A refusal shows the value."""
    header(store, "temperature", value=EVIL)


@hostile(UnsafeStore)
def text_in_an_attribute(store: Path) -> None:
    """A refusal names the attribute."""
    edit(store / "zarr.json", "attributes", EVIL, value=1)


@hostile(UnsafeStore)
def text_in_array_metadata(store: Path) -> None:
    """A refusal shows what an array's zarr.json has."""
    edit(store / "label" / "zarr.json", EVIL, value=EVIL)


@hostile(UnsafeStore)
def text_in_a_codec(store: Path) -> None:
    """A refusal shows the codec."""
    edit(store / "logits" / "zarr.json", "codecs", value=[{"name": EVIL}])


@hostile(UnsafeStore)
def text_in_a_guides_seal(store: Path) -> None:
    """A refusal names the guide's guide."""
    header(store, "guide", "guides", value={EVIL: EVIL})
