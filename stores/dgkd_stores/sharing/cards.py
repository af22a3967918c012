"""The card of a guide: README.md for people and the Hub, croissant.json for machines.

A card is a function of the store and its signature: no clock, path, user or host is in it, so making it again
gives the same bytes. Everything from the store is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dgkd_stores.arguments import as_path, require_kind
from dgkd_stores.disk.files import create_durably, make_folder, read_small
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import InvalidInput
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.sharing.croissant import make_croissant
from dgkd_stores.sharing.readme import make_readme
from dgkd_stores.sharing.signatures import signed_date

__all__ = ["CROISSANT", "README", "GuideCard", "card_of", "write_card"]

README, CROISSANT = "README.md", "croissant.json"

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MAX_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class GuideCard:
    """The card of a guide, as the content of two files."""

    readme: bytes
    """README.md: Markdown in UTF-8, with the Hub's front matter."""
    croissant: bytes
    """croissant.json: JSON-LD of Croissant 1.1."""


def card_of(store: Path | str, *, name: str = "", data_licence: str = "") -> GuideCard:
    """Returns the card of a finished store, which is published as `name` (default: that of its file or folder).

    `data_licence` is the licence of the images, which no store knows. The date of publication is that of the signature
    beside the store, if there is one. Raises as `GuideStore.open`, and InvalidInput for arguments of another kind.
    """
    path = as_path("card_of", "store", store)
    for key, text in (("name", name), ("data_licence", data_licence)):
        require_kind("card_of", key, text, str, expected="text")
    with GuideStore.open(path) as opened:
        shown = name or path.absolute().name
        shown = shown if _PLAIN.fullmatch(shown) else "STORE" + (".zarr" if opened.kind == "zarr" else ".h5")
        published = signed_date(path)
        croissant = make_croissant(opened, name=shown, data_licence=data_licence, published=published)
        readme = make_readme(opened, name=shown, data_licence=data_licence)
    return GuideCard(readme=readme.encode(), croissant=croissant.encode())


def write_card(store: Path | str, folder: Path | str, *, name: str = "", data_licence: str = "") -> tuple[Path, Path]:
    """Writes the card of a finished store into `folder`, and returns the paths of README.md and croissant.json.

    Raises as `card_of`, NoSpace, and InvalidInput where one of the files is there with another content.
    """
    folder = as_path("write_card", "folder", folder)
    card = card_of(store, name=name, data_licence=data_licence)
    paths = folder / README, folder / CROISSANT
    for path, data in zip(paths, (card.readme, card.croissant), strict=True):
        with full_disk(path):
            make_folder(folder)
            _write_new(path, data)
    return paths


def _write_new(path: Path, data: bytes) -> None:
    try:
        create_durably(path, data)
    except FileExistsError as error:
        if read_small(path, limit=_MAX_BYTES) != data:
            raise InvalidInput(
                f"{path} is there already",
                expected="no file, or this card",
                found="another text",
                do="name another folder, or remove the file",
            ) from error
