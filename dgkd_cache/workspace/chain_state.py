"""The state of a chain: each run and each store `done`, `missing`, `training` (begun) or `stale`, and why.

It is found in one pass: each store is opened once, in full, so that a damaged one is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.errors import StoreNotFound
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.workspace.recipe import resolve_recipe
from dgkd_cache.workspace.run_inputs import changes, read_inputs
from dgkd_cache.workspace.tasks.expected_inputs import expected_inputs
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, StoreHeader, decimal

__all__ = ["ChainState", "ModelState"]


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """The state of a model: that of its run, and once that is done, that of the store which later models need."""

    card: ModelCard | None
    run: str
    run_why: str
    store: str = "done"
    store_why: str = ""
    cache_bytes: int | None = None

    @property
    def state(self) -> str:
        return self.store if self.run == "done" else self.run

    @property
    def why(self) -> str:
        return self.store_why if self.run == "done" else self.run_why


class ChainState:
    """The states of the models of a chain, each found when it is first asked for, and kept until `forget`."""

    def __init__(self, ws: Workspace, device: str) -> None:
        self._ws, self._device = ws, resolve_device(device)
        self._models: dict[str, ModelState] = {}
        self._stores: dict[str, _Store] = {}

    def of(self, name: str) -> ModelState:
        """Returns the state of the model called `name`. Raises what `load_card` and `GuideStore.open` raise."""
        if name not in self._models:
            self._models[name] = self._find(name)
        return self._models[name]

    def forget(self, name: str) -> None:
        """Forgets all states and the store of `name`: it, or its run, was made or moved, and others depend on it."""
        self._stores.pop(name, None)
        self._models.clear()

    def _find(self, name: str) -> ModelState:
        folder = self._ws.run_folder(name)
        card = load_card(folder) if os.path.lexists(folder / CARD_FILE) else None
        run, run_why = self._run(name, card)
        found = ModelState(card=card, run=run, run_why=run_why)
        if card is None or not self._ws.teaches(name):
            return found
        if not self._ws.store_path(name).exists():
            return replace(found, store="missing", store_why="not dumped")
        held = self._store(name)
        if differing := self._differing(held.header, card):
            store, store_why = "stale", "; ".join(differing)
        else:
            store, store_why = ("done", "") if held.seal else ("training", "dump begun and not finished")
        return replace(found, store=store, store_why=store_why, cache_bytes=held.nbytes)

    def _run(self, name: str, card: ModelCard | None) -> tuple[str, str]:
        ws = self._ws
        before = read_inputs(ws.run_folder(name))
        if before is None:
            return ("stale", "a model of unknown inputs") if card else ("missing", "not begun")
        seals: dict[str, str] = {}
        for guide in ws.guides_for(name):
            seal = self._seal(guide)
            if seal is None:
                return "missing", f"waits for the store of {guide}"
            seals[guide] = seal
        now = expected_inputs(
            ws,
            architecture=ws.architecture(name),
            guides=seals,
            live="",
            training=resolve_recipe(ws.config.training_for(name), self._device, begun=before),
            distillation=ws.config.distillation,
        )
        if differing := changes(before, now):
            return "stale", "; ".join(differing)
        return ("done", "") if card else ("training", "begun and not finished")

    def _differing(self, header: StoreHeader, card: ModelCard) -> list[str]:
        """Returns a line for each current setting that the store does not have."""
        cache, precision = self._ws.config.cache, str(header.compute.get("precision"))
        wanted = {
            "weights": (header.guide.weights_digest[:16], card.weights_digest[:16]),
            "view plan": (header.plan_digest[:16], self._ws.plan().digest[:16]),
            "views": (_span(header.view_range), _span(range(self._ws.config.views.count))),
            "temperature": (header.temperature, decimal(cache.temperature)),
            "encoding": (header.encoding, cache.encoding),
            "precision": (precision, resolve_precision(cache.precision, self._device, begun=precision)),
            "batch_size": (str(header.compute.get("batch")), str(cache.batch_size)),
            "licence": (repr(header.licence), repr(cache.licence)),
        }
        return [f"the store's {key}: {old} -> {new}" for key, (old, new) in wanted.items() if old != new]

    def _seal(self, name: str) -> str | None:
        try:
            return self._store(name).seal
        except StoreNotFound:
            return None

    def _store(self, name: str) -> _Store:
        if name not in self._stores:
            with GuideStore.open(self._ws.store_path(name), allow_incomplete=True) as store:
                self._stores[name] = _Store(header=store.header, seal=store.seal, nbytes=store.nbytes)
        return self._stores[name]


@dataclass(frozen=True, kw_only=True)
class _Store:
    """The header, seal and size of a store that was opened."""

    header: StoreHeader
    seal: str | None
    nbytes: int


def _span(views: range) -> str:
    return f"{views.start} to {views.stop - 1}"
