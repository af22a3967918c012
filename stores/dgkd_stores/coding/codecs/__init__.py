"""Codecs, the forms of a chunk's bytes on disk: raw, or compressed by a codec of a short list; one a file."""

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs.abc import Codec, ZarrCodec
from dgkd_stores.coding.codecs.blosc import Blosc
from dgkd_stores.coding.codecs.deflate import Deflate
from dgkd_stores.coding.codecs.none import RAW, Raw
from dgkd_stores.coding.codecs.zstd import Zstd
from dgkd_stores.registry import Registry

__all__ = ["RAW", "Blosc", "Codec", "Deflate", "Raw", "ZarrCodec", "Zstd", "codec_names", "codec_of", "get_codec"]

_CODECS = Registry[ZarrCodec]("codec", {codec.name: codec for codec in (RAW, Blosc(), Zstd())})


def codec_names() -> tuple[str, ...]:
    """Returns the names of all codecs of a Zarr folder; the first is no compression."""
    return tuple(_CODECS)


def get_codec(name: str) -> ZarrCodec:
    """Returns the codec of a Zarr folder by name; raises InvalidInput, which names the known ones and the closest."""
    require_kind("get_codec", "name", name, str, expected="the name of a codec")
    return _CODECS.find(name)


def codec_of(stages: JsonValue, itemsize: int) -> ZarrCodec | None:
    """Returns the codec of these stages after `bytes` in a zarr.json; None for an unknown one."""
    return next((each for each in _CODECS.values() if each.matches(stages, itemsize)), None)
