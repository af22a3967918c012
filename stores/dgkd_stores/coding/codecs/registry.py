"""The short list of codecs that a Zarr folder of ours can have, by name and by what a zarr.json says."""

from __future__ import annotations

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs.abc import ZarrCodec
from dgkd_stores.coding.codecs.blosc import Blosc
from dgkd_stores.coding.codecs.none import RAW
from dgkd_stores.coding.codecs.zstd import Zstd
from dgkd_stores.registry import Registry

__all__ = ["codec_named", "codec_names", "codec_of"]

_CODECS = Registry[ZarrCodec]("codec")
for _codec in (RAW, Blosc(), Zstd()):
    _CODECS.register(_codec.name, _codec)


def codec_names() -> tuple[str, ...]:
    """Every codec of a Zarr folder; the first is no compression."""
    return tuple(_CODECS)


def codec_named(name: str) -> ZarrCodec:
    """The codec of a Zarr folder that has that name; `InvalidInput` names the known ones and the closest."""
    require_kind("codec_named", "name", name, str, expected="the name of a codec")
    return _CODECS.find(name)


def codec_of(stages: JsonValue, itemsize: int) -> ZarrCodec | None:
    """The codec that these stages after `bytes` in a zarr.json mean; None for any that is not on the list."""
    return next((each for each in _CODECS.values() if each.matches(stages, itemsize)), None)
