"""The croissant.json of a guide card: Croissant 1.1, the JSON-LD that data set search engines and the Hub read.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. The classes are its records; rows of Zarr and
HDF5 are not among the formats that its readers load, so their files are described and no more.
"""

from __future__ import annotations

import json
from typing import Any

from dgkd_stores.coding.canonical import sha256_hex
from dgkd_stores.disk.files import read_small
from dgkd_stores.format.limits import MAX_METADATA_BYTES
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.sanitize import clean
from dgkd_stores.sharing.card_text import LICENCES
from dgkd_stores.sharing.readme import data_licence_of

__all__ = ["make_croissant"]

MAX_CLASSES = 10_000
"""Most classes that are listed as records."""

_METHOD = (
    "@inproceedings{son2021densely, title={Densely Guided Knowledge Distillation Using Multiple Teacher Assistants}, "
    "author={Son, Wonchul and Na, Jaemin and Choi, Junyong and Hwang, Wonjun}, booktitle={ICCV}, year={2021}}"
)
"""The method that guides are for."""

_TYPES = {"zarr": "https://zarr.dev", "hdf5": "application/x-hdf5"}

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification asks for, key by key."""


def make_croissant(store: GuideStore, *, name: str, data_licence: str, published: str) -> str:
    """Returns the JSON-LD of a finished store that is published as `name`, on the date `published` (or "")."""
    header = store.header
    guide, data = header.guide, header.dataset
    of_data = clean(data_licence_of(header, data_licence)) or "see its own source"
    licence = LICENCES.get(header.licence.strip().lower(), "")
    drawn = f"draw {guide.draw}, a pass with dropout, of " if guide.draw is not None else ""
    source = f"of {drawn}{clean(guide.architecture)} ({guide.parameters} parameters, "
    collection = "A trained model computed it from augmented images of the data set named above."
    if guide.identity is not None:
        source = "that a program gave ("
        collection = "A program gave it for augmented images of the data set named above; README.md says which."
    value: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"{guide.called}-{data.digest[:8]}-{str(store.seal)[:8]}",
        "description": f"Temperature-softened logits {source}"
        f"test accuracy {guide.accuracy or 'not measured'}) for the {clean(data.split)} images of {clean(data.name)}: "
        f"{header.views} views x {data.samples} samples x {header.classes} classes, {header.encoding}, divided by "
        f"{header.temperature}. Machine-generated. Licence of the images: {of_data}. Seal: {store.seal}",
        "keywords": ["knowledge distillation", "logits", "machine-generated", "dgkd-cache", clean(data.name)],
        "license": f"https://spdx.org/licenses/{licence}.html" if licence else clean(header.licence) or "unknown",
        "version": "1.0.0",
        "citeAs": _METHOD,
        "isBasedOn": [clean(data.name), *(f"dgkd-seal:{seal}" for seal in guide.guides.values())],
        "rai:dataCollection": collection,
        "distribution": _distribution(store, name),
        "recordSet": [_classes(data.classes)] if header.classes <= MAX_CLASSES else [],
    }
    if published:
        value["datePublished"] = published
    text = json.dumps(value, indent=2)
    # A page may hold this text in a script element.
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text + "\n"


def _distribution(store: GuideStore, name: str) -> list[dict[str, Any]]:
    files = {
        "@type": "cr:FileSet",
        "@id": "store",
        "name": "store",
        "description": "The guide store; its seal covers every file.",
        "encodingFormat": _TYPES[store.kind],
        "includes": f"{name}/**" if store.kind == "zarr" else name,
    }
    if store.kind != "zarr":
        return [files]
    root = read_small(store.path / "zarr.json", limit=MAX_METADATA_BYTES)
    header = {
        "@type": "cr:FileObject",
        "@id": "header",
        "name": "zarr.json",
        "description": "Header, digests of all arrays, and seal.",
        "contentUrl": f"{name}/zarr.json",
        "contentSize": f"{len(root)} B",
        "encodingFormat": "application/json",
        "sha256": sha256_hex(root),
    }
    return [header, files]


def _classes(names: tuple[str, ...]) -> dict[str, Any]:
    fields = {"label": ("sc:Integer", "Column of the logits."), "name": ("sc:Text", "Name of the class.")}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The classes, in the order of the logits.",
        "key": {"@id": "classes/label"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{key}", "name": key, "description": text, "dataType": kind}
            for key, (kind, text) in fields.items()
        ],
        "data": [{"classes/label": label, "classes/name": name} for label, name in enumerate(names)],
    }
