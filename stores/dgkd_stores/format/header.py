"""The header of a guide store: everything that identifies its rows, complete before the first row is written.

Numbers are integers or decimal strings and there is no clock, so equal dumps have equal headers, byte for
byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.canonical import JsonValue, canonical_json, plain_json, sha256_hex
from dgkd_stores.coding.encodings import Encoding, get_encoding
from dgkd_stores.errors import InvalidInput, Mismatch, UnsafeStore
from dgkd_stores.format import checks
from dgkd_stores.format.draws import draw_in, draw_name, training_with_draw
from dgkd_stores.format.given_logits import identity_in, training_with_identity
from dgkd_stores.format.limits import MAX_CLASSES, MAX_RECORD_BYTES, MAX_ROW_BYTES, MAX_SAMPLES, MAX_VIEWS

__all__ = ["FORMAT", "VERSIONS", "DatasetIdentity", "GuideIdentity", "StoreHeader"]

FORMAT = "dgkd-guide-store"

VERSIONS = (1, 2)
"""The versions of the format that are known; a store is of its encoding's."""

_Views = TypeVar("_Views", int, NDArray[np.int64])
_NAME = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True)
class _Fields:
    """A part of the header."""

    def to_dict(self) -> dict[str, JsonValue]:
        """Returns the fields as JSON."""
        items = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: item.to_dict() if isinstance(item, _Fields) else plain_json(item) for name, item in items.items()}


@dataclass(frozen=True, kw_only=True)
class DatasetIdentity(_Fields):
    """The data set of the rows, identified by content.

    Raises InvalidInput, which names the field, for a value that the format does
    not allow.
    """

    name: str
    """The name of the data set."""
    split: str
    """The name of the split that the rows belong to, such as train."""
    classes: tuple[str, ...]
    """The C names of the classes, in the order of the logits."""
    samples: int
    """N, the number of samples with rows."""
    test_samples: int
    """M, the number of test samples."""
    digest: str
    """SHA-256 over classes, geometry, labels and sample digests of the split, in 64 hex digits."""
    sample_digest: str
    """The content of a sample digest: "pixels" (shape and decoded uint8 pixels) or "file" (the bytes of the file)."""

    def __post_init__(self) -> None:
        if not isinstance(self.classes, tuple | list):
            raise checks.bad_field("dataset.classes", "a tuple of texts", self.classes)
        object.__setattr__(self, "classes", tuple(self.classes))
        for name in ("name", "split"):
            checks.text(f"dataset.{name}", getattr(self, name))
        checks.integer("dataset.classes", len(self.classes), 1, MAX_CLASSES)
        names = set[str]()
        for label, name in enumerate(self.classes):
            checks.text(f"dataset.classes.{label}", name)
            if not name or name in names:
                raise checks.bad_field(
                    f"dataset.classes.{label}", "a name, and one that no class before it has", repr(name)
                )
            names.add(name)
        checks.integer("dataset.samples", self.samples, 1, MAX_SAMPLES)
        checks.integer("dataset.test_samples", self.test_samples, 0, MAX_SAMPLES)
        checks.hex64("dataset.digest", self.digest)
        checks.one_of("dataset.sample_digest", self.sample_digest, ("pixels", "file"))

    @classmethod
    def from_dict(cls, value: JsonValue) -> Self:
        """From JSON; `InvalidInput` for another shape or a value out of bounds."""
        known = checks.exact_keys("dataset", value, cls)
        if not isinstance(known["classes"], list):
            raise checks.bad_field("dataset.classes", "a list", known["classes"])
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class GuideIdentity(_Fields):
    """The model that computed the rows, and its training; `of_logits` makes that of a guide without weights.

    Raises InvalidInput, which names the field, for a value that the format does not allow.
    """

    name: str
    """The guide's name, 1 to 64 of a-z, 0-9, _ and -."""
    architecture: str
    """The architecture's name."""
    parameters: int
    """The number of elements of all parameters."""
    weights_digest: str
    """SHA-256 over the names and values of the weights, in 64 hex digits; without weights, that of `identity`."""
    accuracy: str
    """The accuracy on the test set, a decimal between 0 and 1; empty without a test set."""
    training: Mapping[str, JsonValue]
    """The training settings by name."""
    guides: Mapping[str, str]
    """Seals of the guides with which this model was trained, by name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", checks.mapping("guide.training", self.training))
        object.__setattr__(self, "guides", checks.mapping("guide.guides", self.guides))
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise checks.bad_field("guide.name", f"text that matches {_NAME.pattern}", self.name)
        checks.text("guide.architecture", self.architecture)
        checks.integer("guide.parameters", self.parameters, 0, 2**53)
        checks.hex64("guide.weights_digest", self.weights_digest)
        if not isinstance(self.accuracy, str) or self.accuracy:
            checks.decimal_text("guide.accuracy", self.accuracy)
        for name, seal in self.guides.items():
            checks.text("guide.guides", name)
            checks.hex64(f"guide.guides.{name}", seal)

    @classmethod
    def of_logits(
        cls,
        *,
        name: str,
        identity: Mapping[str, JsonValue],
        architecture: str = "logits",
        training: Mapping[str, JsonValue] | None = None,
        guides: Mapping[str, str] | None = None,
    ) -> Self:
        """Returns the identity of a guide without weights, whose logits a program gives.

        `identity` is a JSON object that says which logits they are. SHA-256 of its canonical JSON stands for the digest
        of weights, and `training` keeps it. Raises InvalidInput for one that says nothing, has a number that is no
        integer, or is larger than 64 KiB, and for the other fields as the class.
        """
        settings = checks.mapping("guide.training", training if training is not None else {})
        kept, digest = training_with_identity(settings, identity)
        return cls(
            name=name,
            architecture=architecture,
            parameters=0,
            weights_digest=digest,
            accuracy="",
            training=kept,
            guides=guides if guides is not None else {},
        )

    def of_draw(self, number: int, rates: Mapping[str, str]) -> Self:
        """Returns the identity of a draw of this guide: a pass with its dropout layers active.

        `rates` has the rate of each layer by its name, as a decimal. Raises InvalidInput for another number or rate,
        and for a guide whose `training` has the key `draw` already.
        """
        return replace(self, training=training_with_draw(self.training, number, rates))

    @property
    def identity(self) -> Mapping[str, JsonValue] | None:
        """The object that says which logits a program gave, for a guide without weights; None for a model."""
        return identity_in(self.training, self.weights_digest)

    @property
    def draw(self) -> int | None:
        """The number of the draw, a pass with the guide's dropout active, that the rows are of; None without one."""
        return draw_in(self.training)

    @property
    def called(self) -> str:
        """The name under which a student has this guide: `name`, or of a draw `name.dNUMBER`."""
        return self.name if self.draw is None else draw_name(self.name, self.draw)

    @property
    def dump_words(self) -> str:
        """The words after --model with which `dump` writes its store, for hints."""
        return self.name if self.draw is None else f"{self.name} --draws {self.draw + 1}"

    @classmethod
    def from_dict(cls, value: JsonValue) -> Self:
        """From JSON; `InvalidInput` for another shape or a value out of bounds."""
        return cls(**checks.exact_keys("guide", value, cls))


@dataclass(frozen=True, kw_only=True)
class StoreHeader(_Fields):
    """The header: two stores with equal headers hold the same rows.

    Raises InvalidInput, which names the field, for a value that the format does not allow.
    """

    dataset: DatasetIdentity
    """The data set of the rows."""
    plan: Mapping[str, JsonValue]
    """The view plan, as JSON."""
    plan_digest: str
    """SHA-256 of the plan's canonical JSON."""
    first_view: int
    """The number of the first view."""
    views: int
    """V, the number of views, from `first_view` on."""
    guide: GuideIdentity
    """The model that computed the rows."""
    encoding: str
    """The name of the encoding of the rows."""
    fidelity: Mapping[str, JsonValue]
    """The encoding error: decimals "kl" and "top1" against the exact logits, over "rows" fixed rows."""
    temperature: str
    """Rows are logits divided by this decimal."""
    digest_rows: int
    """Number of rows under one digest."""
    probe: str
    """The content of the probe array: "sha256" of pixels or "projection"s of them."""
    compute: Mapping[str, JsonValue]
    """Device, precision, batch (rows per forward pass), library versions."""
    licence: str
    """The licence of the store, in its maker's words; may be empty."""
    encoding_settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Settings of the encoding: {"width": D} of `factored`, the coefficients in a row; {"k": K, "temperatures": [...]}
    of `topk`, its classes and the temperatures of its tails as decimals, the first that of the rows; else empty."""

    def __post_init__(self) -> None:
        require_kind("StoreHeader", "dataset", self.dataset, DatasetIdentity, expected="a DatasetIdentity")
        require_kind("StoreHeader", "guide", self.guide, GuideIdentity, expected="a GuideIdentity")
        for name in ("plan", "fidelity", "compute", "encoding_settings"):
            object.__setattr__(self, name, checks.mapping(name, getattr(self, name)))
        checks.hex64("plan_digest", self.plan_digest)
        digest = sha256_hex(canonical_json(self.plan))
        if digest != self.plan_digest:
            raise checks.bad_field(
                "plan_digest", f"{digest}, the SHA-256 of the plan's canonical JSON", self.plan_digest
            )
        checks.integer("first_view", self.first_view, 0, 2**53)
        checks.integer("views", self.views, 1, MAX_VIEWS)
        checks.text("encoding", self.encoding)
        checks.integer("bytes in a row", self.row_bytes, 1, MAX_ROW_BYTES)
        checks.integer("bytes in all rows", self.views * self.dataset.samples * self.row_bytes, 1, MAX_RECORD_BYTES)
        if set(self.fidelity) != {"kl", "top1", "rows"}:
            raise checks.bad_field("fidelity", "the keys kl, rows, top1", ", ".join(sorted(self.fidelity)))
        checks.decimal_text("fidelity.kl", self.fidelity["kl"])
        checks.decimal_text("fidelity.top1", self.fidelity["top1"])
        checks.integer("fidelity.rows", self.fidelity["rows"], 0, MAX_SAMPLES)
        checks.decimal_text("temperature", self.temperature)
        if not float(self.temperature) > 0:
            raise checks.bad_field("temperature", "a decimal above 0", self.temperature)
        self.row_encoding.check_temperature(self.temperature)
        checks.integer("digest_rows", self.digest_rows, 1, MAX_SAMPLES)
        checks.one_of("probe", self.probe, ("sha256", "projection"))
        checks.integer("compute.batch", self.compute.get("batch"), 1, MAX_SAMPLES)
        checks.text("licence", self.licence)
        # Refuses text without a UTF-8 form in any field.
        canonical_json(self.to_dict())

    @property
    def classes(self) -> int:
        """The number of logits in a row."""
        return len(self.dataset.classes)

    @property
    def version(self) -> int:
        """The version of the format, which the encoding decides."""
        return get_encoding(self.encoding).version

    @property
    def row_encoding(self) -> Encoding:
        """The encoding with its settings, not bound to any arrays. Raises InvalidInput for settings it cannot have."""
        return get_encoding(self.encoding).with_settings(self.encoding_settings, self.classes)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row over all its arrays."""
        return self.row_encoding.row_bytes(self.classes)

    @property
    def view_range(self) -> range:
        """The views that this store holds."""
        return range(self.first_view, self.first_view + self.views)

    def place_of(self, view: _Views) -> _Views:
        """The place of a view, or of each, in this store's arrays, from 0; of one that it lacks, a place outside."""
        return view - self.first_view if self.first_view else view

    def view_at(self, place: _Views) -> _Views:
        """The number of the view at a place in this store's arrays, or at each."""
        return place + self.first_view

    @property
    def blocks(self) -> int:
        """The number of digests in a view."""
        return -(-self.dataset.samples // self.digest_rows)

    @property
    def canonical(self) -> bytes:
        """The bytes that the seal covers."""
        return canonical_json(self.to_dict())

    def to_dict(self) -> dict[str, JsonValue]:
        """Returns the fields as JSON, format and version included."""
        named = super().to_dict()
        if self.version == 1:
            del named["encoding_settings"]
        return {"format": FORMAT, "version": self.version, **named}

    @classmethod
    def from_dict(cls, value: JsonValue) -> Self:
        """Returns the header in JSON of any origin.

        Raises Mismatch for a newer version of the format, UnsafeStore for anything that this project's writer cannot
        have written.
        """
        try:
            if not isinstance(value, Mapping) or value.get("format") != FORMAT:
                found = value.get("format") if isinstance(value, Mapping) else value
                raise checks.bad_field("format", repr(FORMAT), found)
            version = value.get("version")
            checks.integer("version", version, 1, 2**53)
            if version not in VERSIONS:
                raise Mismatch(
                    "a newer guide store",
                    expected=f"format {FORMAT} version {' or '.join(map(str, VERSIONS))}",
                    found=f"version {version}",
                    do="update with `pip install --upgrade dgkd-cache`",
                )
            others = {key: item for key, item in value.items() if key not in ("format", "version")}
            if version == 1 and "encoding_settings" in others:
                raise checks.bad_field("keys", "no encoding_settings in version 1", "encoding_settings")
            known = checks.exact_keys("keys", {"encoding_settings": {}, **others} if version == 1 else others, cls)
            known["dataset"] = DatasetIdentity.from_dict(known["dataset"])
            known["guide"] = GuideIdentity.from_dict(known["guide"])
            header = cls(**known)
            if header.version != version:
                raise checks.bad_field("encoding", f"an encoding of version {version}", header.encoding)
            return header
        except InvalidInput as error:
            raise UnsafeStore(error.problem, expected=error.expected, found=error.found) from error
