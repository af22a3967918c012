"""Synset ids of WordNet, by which ImageNet and its subsets name their classes, and the words for them.

A class is called by its id, such as n01440764: ids are unique, always there, and the names of the class folders, so
that stores of `folder:PATH` fit. Words are for people, and for the comparison with a model's published classes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dgkd_cache.errors import DataUnreadable

__all__ = ["ILSVRC2012", "SYNSET", "all_words", "read_lines", "read_words", "require_synsets"]

SYNSET = re.compile(r"n\d{8}")
"""A synset id: n for noun, and an offset in WordNet 3.0."""

ILSVRC2012 = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
"""SHA-256 of the 1,000 ids of ILSVRC2012 (Russakovsky et al., arXiv 1409.0575), sorted, with a line feed between."""

_MOST_BYTES = 2**28


def require_synsets(classes: Iterable[str], folder: Path) -> None:
    """Raises DataUnreadable unless the class folders of `folder` are called by synset ids."""
    if wrong := [name for name in classes if not SYNSET.fullmatch(name)]:
        raise DataUnreadable(
            f"the class folders of {folder} are not ImageNet's",
            expected="folders that are called by synset ids, such as n01440764",
            found=f"{len(wrong)} others: {', '.join(map(repr, wrong[:5]))}",
            do="move them away; images in folders of other names are folder:PATH",
        )


def read_words(path: Path, classes: Sequence[str]) -> list[str]:
    """Returns the words for each class, from a file with an id and its words in each line.

    Such are LOC_synset_mapping.txt and words.txt. Raises DataUnreadable for another form, and for a class without line.
    """
    words = dict[str, str]()
    for number, line in enumerate(read_lines(path), start=1):
        synset, *rest = line.split(maxsplit=1) or [""]
        if not SYNSET.fullmatch(synset) or not rest:
            raise DataUnreadable(
                f"{path} is not a list of synsets",
                expected="lines of an id and words, such as n01440764 tench, Tinca tinca",
                found=f"{line[:80]!r} in line {number}",
                do="copy the file again, or remove it: classes then have their ids alone",
            )
        words[synset] = rest[0].strip()
    if lacking := [name for name in classes if name not in words]:
        raise DataUnreadable(
            f"{path} has no words for some classes",
            expected=f"a line for each of the {len(classes)} class folders",
            found=f"none for {len(lacking)}: {', '.join(lacking[:5])}",
            do="copy the file again, or remove it: classes then have their ids alone",
        )
    return [words[name] for name in classes]


def all_words(classes: Sequence[str], texts: Sequence[str] | None) -> tuple[tuple[str, ...], ...]:
    """Returns the names in words of each class, the one to show first: the words in `texts`, whole and each alone.

    The classes of ILSVRC2012 also have those that torchvision's weights publish, without a file of words, too.
    Empty if no words are known.
    """
    if texts is None and not _is_ilsvrc2012(classes):
        return ()
    names = [[text, *(word.strip() for word in text.split(","))] for text in texts or [""] * len(classes)]
    if _is_ilsvrc2012(classes):
        from torchvision.models import ResNet18_Weights

        categories = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
        names = [[category, *known] for category, known in zip(categories, names, strict=True)]
    return tuple(tuple(name for name in dict.fromkeys(known) if name) for known in names)


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file, without blank ones at its end. Raises DataUnreadable for an unreadable one."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        text = content.decode("utf-8-sig").rstrip()
        return [line.removesuffix("\r") for line in text.split("\n")] if text else []
    except (OSError, ValueError) as error:
        found = error.strerror if isinstance(error, OSError) else str(error)
        raise DataUnreadable(
            f"{path} cannot be read", expected="a text file in UTF-8", found=str(found), do="copy the file again"
        ) from error


def _is_ilsvrc2012(classes: Sequence[str]) -> bool:
    return hashlib.sha256("\n".join(classes).encode()).hexdigest() == ILSVRC2012
