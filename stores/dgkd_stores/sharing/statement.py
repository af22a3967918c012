"""Statement: what a signature says about a store, as the bytes that are signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

from dgkd_stores.coding.canonical import canonical_json
from dgkd_stores.coding.strict_json import parse_strictly
from dgkd_stores.format.checks import HEX64
from dgkd_stores.format.header import StoreHeader

__all__ = ["Statement"]

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The maker of a signature states: this seal, guide, data and view plan belong together, on this date.

    The signed message is the canonical JSON of these five texts, and a line feed.
    """

    seal: str
    """The seal of the store, 64 hex digits."""
    guide: str
    """The digest of the guide's weights, 64 hex digits."""
    data: str
    """The digest of the data set, 64 hex digits."""
    plan: str
    """The digest of the view plan, 64 hex digits."""
    date: str
    """The time at which it was made, by the signer's own clock: `2026-11-26T14:30:00Z`."""

    @classmethod
    def of(cls, header: StoreHeader, seal: str, date: datetime) -> Self:
        """Returns the statement about a store; `date` has a time zone."""
        return cls(
            seal=seal,
            guide=header.guide.weights_digest,
            data=header.dataset.digest,
            plan=header.plan_digest,
            date=date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json(asdict(self)) + b"\n"

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Returns the statement whose message this is, byte for byte. Raises ValueError for anything else."""
        try:
            value = parse_strictly(message)
        except (ValueError, RecursionError) as error:
            raise ValueError("no JSON after the signature") from error
        if not isinstance(value, Mapping) or set(value) != set(cls.__dataclass_fields__):
            raise ValueError(f"not exactly the keys {', '.join(sorted(cls.__dataclass_fields__))}")
        for key, text in value.items():
            if not isinstance(text, str) or not (_DATE if key == "date" else HEX64).fullmatch(text):
                raise ValueError(f"no {'date' if key == 'date' else 'digest'} as {key}")
        statement = cls(**{key: str(text) for key, text in value.items()})
        if statement.message != message:
            raise ValueError("JSON that is not canonical, or not one line")
        return statement

    def first_difference(self, stated: Statement) -> tuple[str, str, str] | None:
        """Returns the first key, the date aside, that another statement has otherwise: its name, and both values."""
        here, there = asdict(self), asdict(stated)
        differing = (key for key in ("seal", "guide", "data", "plan") if here[key] != there[key])
        return next(((key, here[key], there[key]) for key in differing), None)
