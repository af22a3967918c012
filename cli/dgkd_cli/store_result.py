"""Stores in `verify`: the result for one store, as lines, as JSON and as an exit code. Loads no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgkd_cache.errors import DgkdError, Mismatch
from dgkd_cli.humanize import count_text, size_text
from dgkd_cli.recompute import recomputed_line
from dgkd_cli.signature_check import SignatureCheck
from dgkd_stores import Damage, Verification, clean

if TYPE_CHECKING:
    from dgkd_cache.workspace.tasks import Recomputed

__all__ = ["StoreResult", "gravest"]

GRAVITY = (15, 12, 13, 10, 1, 3, 0)
"""Exit codes, the most serious first; an unlisted one comes before all others."""

SHOWN = 10
"""Maximum number of damaged places shown per store; --json lists all."""


@dataclass(frozen=True, kw_only=True)
class StoreResult:
    """The result for one store, checked or refused."""

    name: str
    path: Path
    verification: Verification | None = None
    error: DgkdError | None = None
    recomputed: Recomputed | None = None
    signature: SignatureCheck | None = None

    @property
    def exit_code(self) -> int:
        """The exit code for this store alone."""
        if self.recomputed is not None and self.recomputed.differing:
            return Mismatch.exit_code
        if self.error is not None:
            return self.error.exit_code
        assert self.verification is not None
        unsigned = self.signature is not None and self.signature.error
        return gravest([self.verification.exit_code, *([unsigned.exit_code] if unsigned else [])])

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as JSON, with the same first keys for every store."""
        refused = str(self.error) if self.error else None
        known = {"store": self.name, "path": str(self.path), "exit_code": self.exit_code, "refused": refused}
        again = {"recomputed": dataclasses.asdict(self.recomputed)} if self.recomputed else {}
        signed = {"signature": self.signature.to_dict()} if self.signature else {}
        return known | (self.verification.to_dict() if self.verification else {"damage": []}) | again | signed

    def lines(self) -> Iterable[str]:
        """Yields a line for the store, and one for each damaged place."""
        name, found = clean(self.name), self.verification
        if found is None:
            yield f"{name}: refused: {self.error}"
            return
        views = "1 view" if found.header.views == 1 else f"{count_text(found.header.views)} views"
        held = f"{views}, {size_text(found.nbytes)}, {found.container}, codec {found.codec}"
        if found.damage:
            places = "1 place" if len(found.damage) == 1 else f"{count_text(len(found.damage))} places"
            yield f"{name}: damaged in {places}: {held}"
        elif found.complete:
            extent = "every row checked" if found.full else "rows not read"
            if found.origin_seal is not None:
                extent += f", as in the published seal {found.origin_seal}"
            elif source := _published(found.header.guide.training):
                origin = f"{clean(found.path.name)}.origin"
                extent += f", not compared with the published seal {source}: {origin} is not here"
            signed = f", {self.signature.note}" if self.signature and not self.signature.error else ""
            yield f"{name}: whole, {extent}: {held}, seal {found.seal}{signed}"
        else:
            yield f"{name}: incomplete, {count_text(found.blocks_written)} of {count_text(found.blocks)} blocks: {held}"
        for one in found.damage[:SHOWN]:
            yield f"  {clean(one.file)}: {one.kind}{_where(one)}{_facts(one)}"
        if len(found.damage) > SHOWN:
            yield f"  and {count_text(len(found.damage) - SHOWN)} more; --json has them all"
        if self.signature and self.signature.error:
            yield f"{name}: refused: {self.signature.error}"
        if self.recomputed:
            yield f"{name}: {recomputed_line(self.recomputed)}"
        elif self.error:
            yield f"{name}: not recomputed: {self.error}"


def _published(training: Mapping[str, Any]) -> str:
    """Returns the seal of the store that the views were taken from, as anybody's header names it; "" without one."""
    derived = training.get("derived_from")
    sources = derived.get("sources") if isinstance(derived, Mapping) and derived.get("operation") == "subset" else None
    first = sources[0] if isinstance(sources, list) and sources else None
    return clean(str(first.get("seal"))) if isinstance(first, Mapping) else ""


def gravest(codes: Iterable[int]) -> int:
    """Returns the most serious of exit codes; 0 without any."""
    return min(codes, key=lambda code: GRAVITY.index(code) if code in GRAVITY else -1, default=0)


def _where(one: Damage) -> str:
    view = "" if one.view is None else f", view {one.view}"
    return view if one.samples is None else f"{view}, samples {one.samples[0]} to {one.samples[1] - 1}"


def _facts(one: Damage) -> str:
    facts = [f"{word} {clean(text)}" for word, text in (("expected", one.expected), ("found", one.found)) if text]
    return ": " + ", ".join(facts) if facts else ""
