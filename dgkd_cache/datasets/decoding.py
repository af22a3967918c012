"""Decoding rules: how a picture becomes 8-bit RGB pixels, and which of its properties are lost.

Pillow decodes, as for torchvision's ImageFolder: the first frame, EXIF rotation not applied, transparency dropped,
palettes expanded; JPEGs may be left to another library (`decoders`). Greyscale of more than 8 bits, which Pillow clips,
is scaled by a rule of this project.
"""

from __future__ import annotations

import struct
import warnings
from contextlib import ExitStack
from enum import Flag, auto

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

from dgkd_cache.datasets.remarks import warn
from dgkd_stores import fork_safe_lock

__all__ = [
    "Trait",
    "UndefinedRange",
    "is_opaque",
    "pillow_warnings_ignored",
    "rgb",
    "rules_of",
    "traits",
    "warn_of_others",
    "warn_of_traits",
]

DEPTH16 = 1
"""The number of the rule `depth16`: v of 0..M becomes round(255 v / M), in integers; M is 65535, or 4095 in TIFF of
12 bits (Pillow brings PGM of another maximum to 65535). It changes whenever the rule gives other pixels; the records of
runs, cards and stores hold it."""

_WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_MORE_THAN_8_BITS = ("F", *_WIDE)
_SIXTEEN_BITS = ("PNG", "PPM")  # Pillow returns their greyscale of more than 8 bits in the range 0..65535
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_UNSIGNED = 1
_WHITE_IS_ZERO = 0
_BAD_EXIF = (struct.error, KeyError, SyntaxError, TypeError, ValueError)  # what Pillow's reader lets out


class UndefinedRange(ValueError):
    """A picture whose file does not say which of its values is white."""


class Trait(Flag):
    """A property of a picture that its 8-bit RGB pixels do not keep."""

    SCALED = auto()
    REDUCED = auto()
    ROTATED = auto()
    TRANSPARENT = auto()
    FRAMES = auto()
    PLAIN_JPEG = auto()
    """Not lost: a plain JPEG (`plain_jpeg`), which another library than Pillow may decode."""


_TOLD = {
    Trait.SCALED: f"greyscale of more than 8 bits: scaled to 8 (decoding rule depth16 = {DEPTH16})",
    Trait.REDUCED: "more than 8 bits a channel in colour or with transparency: Pillow reduces them to 8",
    Trait.ROTATED: "a rotation in their EXIF data: it is not applied",
    Trait.TRANSPARENT: "transparency: it is dropped",
    Trait.FRAMES: "several frames: the first one is read",
}


def traits(picture: Image.Image) -> Trait:
    """Returns the traits of an opened picture, before its pixels are decoded. Raises UndefinedRange."""
    found = Trait(0)
    if isinstance(picture, TiffImageFile) and set(picture.tag_v2.get(SAMPLEFORMAT, ())) - {_UNSIGNED}:
        raise UndefinedRange("signed or floating-point pixels, whose range the file does not define")
    if picture.mode in _MORE_THAN_8_BITS:
        _white(picture)
        found |= Trait.SCALED
    elif _bits(picture) > 8:
        found |= Trait.REDUCED
    if _is_rotated(picture):
        found |= Trait.ROTATED
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        found |= Trait.TRANSPARENT
    if getattr(picture, "is_animated", False):
        found |= Trait.FRAMES
    return found


def rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Returns the pixels [3, H, W] of an opened picture, which may lie in memory as [H, W, 3].

    Raises UndefinedRange, and what Pillow raises.
    """
    if picture.mode not in _MORE_THAN_8_BITS:
        converted = picture if picture.mode == "RGB" else picture.convert("RGB")  # which copies one of this mode
        return np.array(converted).transpose(2, 0, 1)  # rows of pixels: another order costs a fifth
    white = _white(picture)
    values_HW = np.asarray(picture).astype(np.int64)
    if isinstance(picture, TiffImageFile) and picture.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        values_HW = white - values_HW  # Pillow inverts these up to 8 bits only
    grey_HW = ((2 * 255 * values_HW + white) // (2 * white)).astype(np.uint8)
    return np.stack([grey_HW] * 3)


def is_opaque(picture: Image.Image) -> bool:
    """Returns True if a decoded picture has an alpha channel but no transparent pixel.

    If only the header of a file is read, it counts as transparent.
    """
    if picture.mode in _MORE_THAN_8_BITS:
        return False  # Pillow cannot tell
    lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return lowest == 255


def rules_of(traits_N: NDArray[np.uint8]) -> dict[str, int]:
    """Returns the numbered rules that pictures of these traits, as their bits, are decoded by."""
    return {"depth16": DEPTH16} if (traits_N & Trait.SCALED.value).any() else {}


def warn_of_traits(where: str, traits_N: NDArray[np.uint8]) -> None:
    """Logs one line for each trait: how many pictures have it, and how it is handled."""
    for trait, told in _TOLD.items():
        if count := np.count_nonzero(traits_N & trait.value):
            warn(f"{where}: {count} of {len(traits_N)} images have {told}")


def warn_of_others(where: str, traits_N: NDArray[np.uint8], decoder: str) -> None:
    """Logs one line if Pillow decodes some of the pictures, because they are not what `decoder` decodes."""
    if count := np.count_nonzero(~traits_N & Trait.PLAIN_JPEG.value):
        warn(f"{where}: {count} of {len(traits_N)} images are no JPEGs that {decoder} decodes: Pillow decodes these")


def _white(picture: Image.Image) -> int:
    """Returns the value of white, where 0 is black (or the reverse, if the file says so)."""
    if isinstance(picture, TiffImageFile) and picture.mode.startswith("I;16"):
        return (1 << int(picture.tag_v2[BITSPERSAMPLE][0])) - 1
    if picture.format in _SIXTEEN_BITS and picture.mode in _WIDE:
        return 0xFFFF
    kind = "floating-point" if picture.mode == "F" else "integer"
    raise UndefinedRange(f"{kind} pixels of more than 8 bits, whose range the file does not define")


def _bits(picture: Image.Image) -> int:
    """Returns the bits of a channel in the file, which Pillow may have reduced."""
    if isinstance(picture, TiffImageFile):
        return int(max(picture.tag_v2.get(BITSPERSAMPLE, (1,))))
    if not isinstance(picture, ImageFile.ImageFile) or picture.format not in _SIXTEEN_BITS or not picture.tile:
        return 8
    arguments = picture.tile[0][3]
    if isinstance(arguments, tuple):
        return int(arguments[-1]).bit_length()  # PPM, with the largest value after the mode
    return 16 if str(arguments).endswith(";16B") else 8


def _is_rotated(picture: Image.Image) -> bool:
    """Returns True if EXIF asks for a rotation or reflection; Pillow itself applies that of TIFF."""
    if "exif" not in picture.info or isinstance(picture, TiffImageFile):
        return False
    try:
        return picture.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    except _BAD_EXIF:
        return False  # an unreadable EXIF cannot be applied by others either


class _Ignored:
    """The context in which Pillow's warnings are ignored.

    Warning filters belong to the process, not to a thread: the first thread that enters sets them, the last one that
    leaves restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._filters = fork_safe_lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=r"PIL\b")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.close()


pillow_warnings_ignored = _Ignored()
"""`warn_of_traits` reports what matters for the pixels; other warnings of Pillow do not."""
