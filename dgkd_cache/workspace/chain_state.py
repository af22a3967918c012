"""The state of a chain: each run and each store `done`, `missing`, `begun` or `stale`, and why.

It is found in one pass: each store is opened once, in full, so that a damaged one is refused.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.errors import Incomplete, StoreNotFound
from dgkd_cache.models.registry import find_model
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.workspace.data_changes import explain_data
from dgkd_cache.workspace.expected_inputs import adopted_inputs, expected_inputs
from dgkd_cache.workspace.guide_stores import guide_stores, guides_with_stores
from dgkd_cache.workspace.pruning import pruning_of
from dgkd_cache.workspace.recipe import resolve_recipe
from dgkd_cache.workspace.run_inputs import Change, changes, describe_changes, read_inputs, recorded_value
from dgkd_cache.workspace.staleness import UNDUMPED, adopted_changes, store_changes
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, StoreHeader, split_draw_name

__all__ = ["ChainState", "ModelState"]


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """The state of a model: that of its run, and once that is done, that of the store which later models need."""

    card: ModelCard | None
    header: StoreHeader | None = None
    """The header of a store from elsewhere, which has no run here."""
    run: str
    run_why: str = ""
    run_changes: tuple[Change, ...] = ()
    waits_for: tuple[str, ...] = ()
    """Guides without a finished store, and the source of a pruned model without a finished run.

    A begun or finished run waits for their seals and weights to be compared.
    """
    store: str = "done"
    store_why: str = ""
    store_changes: tuple[Change, ...] = ()
    cache_bytes: int | None = None

    @property
    def kept(self) -> bool:
        """True for a finished run that no setting makes stale; guides without a finished store are not compared."""
        return self.run == "done" or bool(self.card and self.waits_for)

    @property
    def state(self) -> str:
        if self.run == "done" or (self.kept and self.store == "stale"):
            return self.store
        return self.run

    @property
    def why(self) -> str:
        return self.run_why if self.state == self.run != "done" else self.store_why

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that make it stale; none for a run of unknown inputs."""
        return self.store_changes if self.kept else self.run_changes


class ChainState:
    """The states of the models of a chain, each found when it is first asked for, and kept until `forget`."""

    def __init__(self, ws: Workspace, device: str, *, without: Collection[str] = ()) -> None:
        """`without` are models whose runs and stores are taken as not there. Raises what `find_model` raises."""
        for name in ws.trained_here:
            find_model(ws.architecture(name))  # a wrong name is told before the data set is loaded
        self._ws, self._device = ws, resolve_device(device)
        self._without = frozenset(without)
        self._models: dict[str, ModelState] = {}
        self._stores: dict[str, _Store] = {}

    def of(self, name: str) -> ModelState:
        """Returns the state of the model called `name`. Raises what `load_card` and `GuideStore.open` raise."""
        if name not in self._models:
            self._models[name] = self._find(name)
        return self._models[name]

    @property
    def trained(self) -> dict[str, int]:
        """The parameters of each model whose run is finished and valid, by name; of a store, those of its guide."""
        found = {name: self.of(name) for name in self._ws.chain if self.of(name).run == "done"}
        cards = {name: one.card or (one.header and one.header.guide) for name, one in found.items()}
        return {name: card.parameters for name, card in cards.items() if card}

    @property
    def to_dump(self) -> list[str]:
        """The models that have no finished and valid store, but need one."""
        return [name for name in self._ws.chain if self._ws.teaches(name) and self.of(name).state != "done"]

    def forget(self, name: str) -> None:
        """Forgets all states and the store of `name`: it, or its run, was made or moved, and others depend on it."""
        for guide in guide_stores(self._ws, name):
            self._stores.pop(guide, None)
        self._models.clear()

    def _find(self, name: str) -> ModelState:
        folder = self._ws.run_folder(name)
        if name in self._without:
            return ModelState(card=None, run="missing", run_why="not begun")
        if self._ws.member(name).kind == "store":
            return self._given(name)
        card = load_card(folder) if os.path.lexists(folder / CARD_FILE) else None
        found = self._adopted(name, card) if self._ws.member(name).kind == "adopted" else self._run(name, card)
        if card is None or not self._ws.teaches(name):
            return found
        return self._with_stores(name, found, card)

    def _with_stores(self, name: str, found: ModelState, card: ModelCard) -> ModelState:
        """Returns the state with that of the model's store, or of those of its draws together."""
        paths = guide_stores(self._ws, name)
        held = [self._store(guide) for guide, path in paths.items() if path.exists()]
        if not held:
            return replace(found, store="missing", store_why="not dumped")
        size = sum(store.nbytes for store in held)
        for store in held:
            if differing := tuple(self._differing(store.header, card)):
                why = describe_changes(differing)
                return replace(found, store="stale", store_why=why, store_changes=differing, cache_bytes=size)
        done = sum(store.seal is not None for store in held)
        if done == len(paths):
            return replace(found, store="done", cache_bytes=size)
        why = f"{done} of {len(paths)} draws are dumped" if len(paths) > 1 else "dump begun and not finished"
        return replace(found, store="begun", store_why=why, cache_bytes=size)

    def _given(self, name: str) -> ModelState:
        """Returns the state of a store from elsewhere: it is done. Raises StoreNotFound, Incomplete."""
        held = self._store(name)
        if held.seal is None:
            raise Incomplete(
                f"the store of {name} is not finished",
                expected="a sealed store",
                found=f"{self._ws.store_path(name)} without a seal",
                do="get it again, or have its dump finished where it was begun",
            )
        return ModelState(card=None, header=held.header, run="done", cache_bytes=held.nbytes)

    def _adopted(self, name: str, card: ModelCard | None) -> ModelState:
        """Returns the state of the run of an adopted model, by [models] of dgkd.toml and the data set."""
        ws, run = self._ws, self._ws.run_name(name)
        if card is None:
            return ModelState(card=None, run="missing", run_why=f"not adopted: `{ws.adopt_command(run)}`")
        before = read_inputs(ws.run_folder(name)) or {}
        model = ws.config.models.get(run)
        if not card.adopted or model is None:
            wanted = Change("its origin", "training here" if model else f"not in [models.{run}]", "adopted")
            return ModelState(card=card, run="stale", run_why=str(wanted), run_changes=(wanted,))
        differing = adopted_changes(before, model) or changes(before, adopted_inputs(ws, card))
        if differing:
            return self._stale(card, differing, before)
        return ModelState(card=card, run="done")

    def _run(self, name: str, card: ModelCard | None) -> ModelState:
        ws = self._ws
        before = read_inputs(ws.run_folder(name))
        if before is None:
            run, why = ("stale", "a model of unknown inputs") if card else ("missing", "not begun")
            return ModelState(card=card, run=run, run_why=why)
        found = {guide: self._seal(guide) for guide in guides_with_stores(ws, name)}
        unsealed = [guide for guide, seal in found.items() if seal is None]
        waits_for = tuple(dict.fromkeys(split_draw_name(guide)[0] for guide in unsealed))
        waits_for_stores, pruned = bool(waits_for), None
        if (pruning := pruning_of(ws, name)) is not None:
            weights = self._weights(pruning.source)
            recorded = recorded_value(before, f"source.{pruning.source}")
            pruned = pruning.to_inputs(weights or str(recorded or UNDUMPED))
            if weights is None:
                waits_for = tuple(dict.fromkeys((*waits_for, ws.model_of(pruning.source) or pruning.source)))
        unknown = {guide: str(recorded_value(before, f"guides.{guide}") or UNDUMPED) for guide in unsealed}
        now = expected_inputs(
            ws,
            architecture=ws.architecture(name),
            guides={guide: seal or unknown[guide] for guide, seal in found.items()},
            live="",
            training=resolve_recipe(ws.config.training_for(name), self._device, begun=before),
            distillation=ws.config.distillation,
            pruning=pruned,
        )
        if differing := changes(before, now):
            return self._stale(card, differing, before)
        if waits_for:
            why = f"waits for the {'store' if waits_for_stores else 'run'} of {waits_for[0]}"
            return ModelState(card=card, run="missing", run_why=why, waits_for=waits_for)
        if card:
            return ModelState(card=card, run="done")
        return ModelState(card=card, run="begun", run_why="begun and not finished")

    def _stale(self, card: ModelCard | None, differing: Sequence[Change], before: Mapping[str, str]) -> ModelState:
        """Returns the state of a run whose record, `before`, is not that of today."""
        why = describe_changes(differing) + explain_data(self._ws, before)
        return ModelState(card=card, run="stale", run_why=why, run_changes=tuple(differing))

    def _differing(self, header: StoreHeader, card: ModelCard) -> list[Change]:
        """Returns each current setting that the store does not have."""
        setting, begun = self._ws.config.cache.precision, str(header.compute.get("precision"))
        return store_changes(
            self._ws,
            header,
            weights=card.weights_digest,
            plan=self._ws.plan().digest,
            precision=resolve_precision(setting, self._device, begun=begun),
        )

    def _weights(self, run: str) -> str | None:
        """Returns the digest of the weights of the finished run that is pruned; None if there is none."""
        model, folder = self._ws.model_of(run), self._ws.run_folder(run)
        if model in self._without or not os.path.lexists(folder / CARD_FILE):
            return None
        return load_card(folder).weights_digest

    def _seal(self, name: str) -> str | None:
        if split_draw_name(name)[0] in self._without:
            return None
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
