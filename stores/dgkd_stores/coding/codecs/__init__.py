"""Codecs, the forms of a chunk's bytes on disk: raw, or compressed by a codec of a short list; one a file."""

from dgkd_stores.coding.codecs.abc import Codec, ZarrCodec
from dgkd_stores.coding.codecs.blosc import Blosc
from dgkd_stores.coding.codecs.deflate import Deflate
from dgkd_stores.coding.codecs.none import RAW, Raw
from dgkd_stores.coding.codecs.registry import codec_names, codec_of, get_codec
from dgkd_stores.coding.codecs.zstd import Zstd

__all__ = ["RAW", "Blosc", "Codec", "Deflate", "Raw", "ZarrCodec", "Zstd", "codec_names", "codec_of", "get_codec"]
