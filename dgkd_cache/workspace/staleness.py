"""Compares runs and guide stores with the settings of today. Reads no data set and no rows; loads no torch.

`run` compares the same and the data set as well, so what is stale here is stale for `run`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from dgkd_cache.config.tables import CacheConfig, ModelConfig
from dgkd_cache.errors import DgkdError
from dgkd_cache.run_files.model_card import ADOPTED
from dgkd_cache.run_files.run_card import read_card
from dgkd_cache.workspace.expected_inputs import as_recorded, expected_settings, without_data
from dgkd_cache.workspace.guide_stores import guide_stores, guides_with_stores
from dgkd_cache.workspace.pruning import pruning_of
from dgkd_cache.workspace.run_inputs import Change, changes, flatten, recorded_value
from dgkd_cache.workspace.view_settings import describe_plan, describe_views, same_views
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import HeaderAndSeal, StoreHeader, clean, decimal, read_header, split_draw_name

__all__ = ["UNDUMPED", "Identities", "adopted_changes", "changes_by_card", "run_changes", "store_changes"]

UNDUMPED = "not dumped yet"
"""Stands for the seal of a guide that a run was trained without and that has no finished store."""

_OF_EVERY_RUN = ("dataset.", "views.", "guides.", "source.")
"""The keys that a run outside the chain is compared by: options of `train` chose its recipe, which no file holds."""

_MOST_STORES = 8  # of one guide, that together may be the guide of a run: 255 combinations


class Identities:
    """Finds what guides are in a workspace today, by their stores or, for live ones, by their runs' weights.

    Each header is read once, if it is asked for.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._names = ws.stores()
        self._found: dict[str, HeaderAndSeal | None] = {}

    def seal(self, store: str) -> str | None:
        """Returns the seal of `guides/STORE.zarr`; None if it has none."""
        found = self._read(store)
        return found.seal if found else None

    def of_stores(self, guide: str, recorded: str) -> str:
        """Returns what a run that uses the stores of `guide` would record today: `recorded`, if any of them are it.

        Without a store of that name here, `recorded` is returned: it may lie elsewhere.
        """
        stores = [found for name in self._names if (found := self._read(name)) and found.header.guide.called == guide]
        seals = [found.seal for found in sorted(stores, key=lambda found: found.header.first_view) if found.seal]
        joint = {
            hashlib.sha256("".join(some).encode()).hexdigest()
            for number in range(2, len(seals) + 1)
            for some in combinations(seals[:_MOST_STORES], number)
        }
        return recorded if recorded in {*seals, *joint} else self.seal(guide) or recorded

    def of_weights(self, run: str, recorded: str) -> str:
        """Returns the digest of the weights of the finished run `run`, by its card; `recorded` if there is none."""
        try:
            return str(read_card(self._ws.run_folder(run)).model.get("weights_digest"))
        except (DgkdError, OSError):
            return recorded

    def _read(self, store: str) -> HeaderAndSeal | None:
        if store not in self._found:
            try:
                self._found[store] = read_header(self._ws.store_path(store))
            except (DgkdError, OSError):
                self._found[store] = None  # the list of stores says why
        return self._found[store]


def run_changes(ws: Workspace, name: str, before: Mapping[str, str], identities: Identities) -> list[Change]:
    """Returns each setting and guide that differs from `before`, the record of the run called `name`.

    A run of the chain is compared with all settings of `dgkd.toml`; another one with those of data set and views, since
    options of `train` chose its recipe. A guide without a store in the workspace is not compared. A run that was
    adopted is compared with its table in [models].
    """
    model = ws.config.models.get(ws.run_name(name))
    if model is not None or recorded_value(before, "method") == ADOPTED:
        return [] if model is None else adopted_changes(before, model)
    recorded = {
        key.removeprefix("guides."): str(recorded_value(before, key)) for key in before if key.startswith("guides.")
    }
    chain, now = name in ws.chain, dict[str, str]()
    if chain:
        guides = guides_with_stores(ws, name)
        now = {guide: identities.seal(guide) or recorded.get(guide, UNDUMPED) for guide in guides}
    else:
        live = isinstance(recorded_value(before, "live"), str)
        now = {
            guide: (identities.of_weights if live else identities.of_stores)(guide, was)
            for guide, was in recorded.items()
        }
    sources = {
        key.removeprefix("source."): str(recorded_value(before, key)) for key in before if key.startswith("source.")
    }
    of_sources = {run: identities.of_weights(run, was) for run, was in sources.items()}
    pruned: dict[str, Any] | None = {"source": of_sources} if sources else None
    if chain:
        pruning = pruning_of(ws, name)
        was = sources.get(pruning.source, UNDUMPED) if pruning else ""
        pruned = pruning.to_inputs(identities.of_weights(pruning.source, was)) if pruning else None
    expected = expected_settings(
        ws,
        architecture=ws.architecture(name) if chain else "",
        guides=now,
        live="",
        training=as_recorded(ws.config.training_for(name), before),
        distillation=ws.config.distillation,
        pruning=pruned,
    )
    found = changes(without_data(before), expected)
    return found if chain else [one for one in found if one.setting.startswith(_OF_EVERY_RUN)]


def adopted_changes(before: Mapping[str, str], model: ModelConfig) -> list[Change]:
    """Returns what differs between the record of a run and the table [models.NAME] of its name."""
    expected = flatten({"method": ADOPTED, **model.model_dump()})
    return changes({key: value for key, value in before.items() if key in expected}, expected)


def store_changes(ws: Workspace, header: StoreHeader, *, weights: str, plan: str, precision: str) -> list[Change]:
    """Returns each current setting that the store of a run of the chain does not have.

    `weights` and `plan` are digests, `precision` is resolved.
    """
    cache = ws.config.cache
    wanted = {
        "weights": (_json(header.guide.weights_digest), _json(weights)),
        "view plan": (_json(header.plan_digest), _json(plan)),
        "views": (_span(header.view_range), _span(range(ws.config.views.count))),
        "temperature": (header.temperature, decimal(cache.temperature)),
        "encoding": (_json(header.encoding), _json(cache.encoding)),
        **_topk(header, cache),
        "precision": (_json(header.compute.get("precision")), _json(precision)),
        "batch_size": (str(header.compute.get("batch")), str(cache.batch_size)),
        "licence": (_json(header.licence), _json(cache.licence)),
    }
    return [Change(f"the store's {key}", old, new) for key, (old, new) in wanted.items() if old != new]


def _topk(header: StoreHeader, cache: CacheConfig) -> dict[str, tuple[str, str]]:
    """Returns what the store and the settings say of rows in the encoding `topk`, if both have it."""
    if not header.encoding == cache.encoding == "topk":
        return {}
    others = sorted({1.0, *cache.topk_temperatures} - {cache.temperature})
    wanted = [decimal(each) for each in (cache.temperature, *others)]
    held = header.encoding_settings
    return {
        "topk": (_json(held["k"]), _json(cache.topk)),
        "topk_temperatures": (_json(held["temperatures"]), _json(wanted)),
    }


def changes_by_card(ws: Workspace, name: str, header: StoreHeader, card: Mapping[str, Any]) -> list[Change]:
    """Returns what differs between `guides/NAME.zarr` and the finished run of `card`, whose guide it says to be.

    The store that `run` makes is compared with the settings of today as well, as by `store_changes`. That of an adopted
    model has views that no card knows: they are compared with [views].
    """
    weights, plan = str(card.get("weights_digest")), str(card.get("plan_digest"))
    training, views = card.get("training"), list[Change]()
    if isinstance(training, Mapping) and training.get("method") == ADOPTED:
        plan = header.plan_digest
        if not same_views(ws.config.views, header.plan):
            words = describe_plan(header.plan), describe_views(ws.config.views)
            views = [Change("the store's view plan", _json(clean(words[0])), _json(words[1]))]
    precision = str(header.compute.get("precision"))
    if (setting := ws.config.cache.precision) != "auto":
        precision = setting
    found = [*store_changes(ws, header, weights=weights, plan=plan, precision=precision), *views]
    model = ws.model_of(split_draw_name(name)[0])
    if model is not None and ws.teaches(model) and ws.store_path(name) in guide_stores(ws, model).values():
        return found
    return [one for one in found if one.setting in ("the store's weights", "the store's view plan")]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _span(views: range) -> str:
    return f"{views.start} to {views.stop - 1}"
