"""Encodings, the forms of a row of float32 logits on disk: one a file, in a registry by name."""

from dgkd_stores.coding.encodings.abc import Encoding, RowArray, SharedArray
from dgkd_stores.coding.encodings.factored import Factored
from dgkd_stores.coding.encodings.float16 import Float16
from dgkd_stores.coding.encodings.float32 import Float32
from dgkd_stores.coding.encodings.registry import encoding_names, get_encoding, register_encoding
from dgkd_stores.coding.encodings.topk import Topk
from dgkd_stores.coding.encodings.uint8 import Uint8

__all__ = [
    "Encoding",
    "Factored",
    "Float16",
    "Float32",
    "RowArray",
    "SharedArray",
    "Topk",
    "Uint8",
    "encoding_names",
    "get_encoding",
    "register_encoding",
]
