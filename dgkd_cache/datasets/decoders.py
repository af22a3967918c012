"""The libraries that decode the files of images, by the names that view plans have for them.

`pillow`, the default, decodes every file. Any other decodes plain JPEGs (`plain_jpeg`), and Pillow all other files;
which of both it is follows from the file's bytes alone. All give the same values where they have one version of
libjpeg-turbo, but nobody promises that, so each name makes view plans of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features
from torch import Tensor

from dgkd_cache.datasets.decoding import DEPTH16, rgb
from dgkd_cache.datasets.plain_jpeg import plain_jpeg
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores.arguments import refusal

__all__ = [
    "PILLOW",
    "DecoderName",
    "JpegRefused",
    "decode",
    "decoder_names",
    "decoder_version",
    "jpeg_pixels",
    "library_version",
    "require_decoder",
]

DecoderName = Literal["pillow", "torchcodec"]

PILLOW: Final = "pillow"
"""The decoder of all plans that name none."""


class JpegRefused(ValueError):
    """A plain JPEG that its decoder does not read."""


@dataclass(frozen=True, kw_only=True)
class _JpegDecoder:
    """A library that decodes plain JPEGs."""

    pixels: Callable[[bytes], NDArray[np.uint8]]
    """Returns the pixels [3, H, W] of a plain JPEG, which comes without EXIF; grey is repeated. Raises JpegRefused."""
    version: Callable[[], str]
    """Returns the versions that the pixels depend on. Raises LookupError, with the reason, where it cannot decode."""
    install: str
    """The advice where it cannot."""


def decoder_names() -> tuple[str, ...]:
    """Returns the names of the decoders, Pillow's first."""
    return get_args(DecoderName)


def decode(content: bytes, decoder: str = PILLOW) -> NDArray[np.uint8]:
    """Returns the RGB pixels [3, H, W] of the image file with these bytes; rows may lie apart in memory.

    Raises JpegRefused, and what Pillow raises.
    """
    if (pixels_IHW := jpeg_pixels(content, decoder)) is not None:
        return pixels_IHW
    with Image.open(io.BytesIO(content)) as picture:
        return rgb(picture)


def jpeg_pixels(content: bytes, decoder: str) -> NDArray[np.uint8] | None:
    """Returns the pixels [3, H, W] of the file with these bytes; None if Pillow decodes it. Raises JpegRefused."""
    own = _JPEG_DECODERS.get(decoder)
    # torchcodec turns images as EXIF says, and has no option for that: it gets none.
    plain = plain_jpeg(content) if own else None
    return own.pixels(plain) if own and plain else None


def decoder_version(decoder: str = PILLOW) -> str:
    """Returns the versions that pixels depend on: those of the decoder, of Pillow and its libraries, and of our rules.

    Raises LookupError, with the reason, where the decoder is not usable.
    """
    pillow = f"{library_version(PILLOW)}, depth16 {DEPTH16}"
    return pillow if decoder == PILLOW else f"{library_version(decoder)}; {pillow}"


def library_version(decoder: str) -> str:
    """Returns the version of a decoder, with those of its libraries. Raises LookupError as `decoder_version`."""
    if decoder != PILLOW:
        return _JPEG_DECODERS[decoder].version()
    libraries = ", ".join(f"{name} {features.version(name)}" for name in ("jpg", "libjpeg_turbo", "webp", "zlib"))
    return f"pillow {PIL.__version__} ({libraries})"


def require_decoder(call: str, decoder: object) -> None:
    """Raises UnknownName for a decoder that is not known, InvalidInput for one that is not usable here."""
    names = decoder_names()
    if not isinstance(decoder, str):
        raise refusal(call, "decoder", decoder, expected=f"one of {', '.join(names)}")
    if decoder not in names:
        raise unknown_name("decoder", decoder[:80], names)
    try:
        decoder_version(decoder)
    except LookupError as error:
        raise InvalidInput(
            f"the decoder {decoder} is not usable here",
            expected=f"an installation of {decoder} that decodes JPEGs",
            found=str(error.args[0]),
            do=_JPEG_DECODERS[decoder].install,
        ) from error


def _torchcodec_pixels(content: bytes) -> NDArray[np.uint8]:
    from torchcodec.decoders import decode_jpeg

    try:
        pixels_IHW = decode_jpeg(content, mode="RGB")
    except RuntimeError as error:
        raise JpegRefused(f"torchcodec does not decode it: {_reason(error)}") from error
    assert isinstance(pixels_IHW, Tensor)
    found: NDArray[np.uint8] = pixels_IHW.numpy()
    return found


def _torchcodec_version() -> str:
    try:
        import torchcodec
        from torchcodec.decoders import decode_jpeg
    except (ImportError, OSError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "torchcodec":
            raise LookupError("torchcodec is not installed") from error
        raise LookupError(f"torchcodec does not load: {_reason(error)}") from error
    assert callable(decode_jpeg)
    return f"torchcodec {torchcodec.__version__}"


def _reason(error: Exception) -> str:
    """Returns the first line of an error of torch, without the place in its sources."""
    return re.sub(r"^\w+, \S+:\d+, ", "", str(error).partition("\n")[0])


_JPEG_DECODERS = {
    "torchcodec": _JpegDecoder(
        pixels=_torchcodec_pixels,
        version=_torchcodec_version,
        install='`pip install "dgkd-cache[jpeg]"`, or leave decoder out',
    ),
}
