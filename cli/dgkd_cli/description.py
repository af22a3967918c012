"""Describes a run or a guide store in sections of names and values: what `info` shows. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgkd_cache.run_files.last_layer import last_layer_width
from dgkd_cache.workspace.run_settings import GUIDANCE
from dgkd_cli.humanize import count_text, duration_text, percent_text, size_text
from dgkd_stores import (
    GuideIdentity,
    GuideStore,
    StoreHeader,
    canonical_json,
    clean,
    describe_signature,
    one_line,
)

if TYPE_CHECKING:
    from dgkd_cache.run_files.model_card import ModelCard
    from dgkd_cache.workspace.begun_run import BegunRun

__all__ = ["Pairs", "describe_begun", "describe_run", "describe_store"]

Pairs = Iterable[tuple[str, str]]
"""Names, each with its value."""

_DISTILLATION = (*GUIDANCE, "live")

_PRUNING = "pruning"
"""The key, in `training` of a card, of how a model was pruned."""

_CONTINUES = ("begun", "stale")
"""The states in which an unfinished run goes on. One that is stale has settings that were given to its command."""


def describe_run(card: ModelCard, folder: Path, *, state: str, why: str, encoding: str = "") -> dict[str, Pairs]:
    """Returns the state of a finished run and what its card says, by section; every text is cleaned.

    `encoding` is that of its store, which a smaller one is offered beside.
    """
    training = {key: value for key, value in card.training.items() if key not in (*_DISTILLATION, _PRUNING)}
    distillation = {key: value for key, value in card.training.items() if key in _DISTILLATION}
    precision = clean(str(card.compute.get("precision", "")))
    size = card.preprocess.input_size
    return {
        "run": [
            ("folder", str(folder)),
            ("state", f"{state}: {one_line(why)}" if why else state),
            *_accuracies(card.accuracy, precision),
            ("time", duration_text(card.seconds)),
        ],
        "model": [
            ("architecture", clean(card.architecture)),
            ("parameters", count_text(card.parameters)),
            ("input", f"{card.channels} x {card.height} x {card.width}" + (f", resized to {size}" if size else "")),
            *_resizing(card),
            ("weights", card.weights_digest),
            *([] if encoding == "factored" else _offer(folder, len(card.classes))),
        ],
        "data": [("data set", clean(card.dataset.get("name", ""))), ("classes", count_text(len(card.classes)))],
        **(_adoption(card) if card.adopted else _training(card, training, distillation)),
        "computed with": _settings(card.compute),
    }


def _training(card: ModelCard, training: Mapping[str, Any], distillation: Mapping[str, Any]) -> dict[str, Pairs]:
    return {
        "views": [*_settings(card.views), ("plan", card.plan_digest[:16] or "-")],
        "training": _settings(training),
        "distillation": [*_settings(distillation), ("guides", _guides(card.guides))],
        **_pruning(card.training.get(_PRUNING)),
    }


def _pruning(about: object) -> dict[str, Pairs]:
    """Returns what a card says of how the model was pruned: the settings, and what is left of each layer."""
    if not isinstance(about, Mapping):
        return {}
    told = {key: value for key, value in about.items() if key != "layers"}
    layers = about.get("layers")
    kept = [
        (f"kept of {clean(str(name))}", f"{_value(count.get('kept'))} of {_value(count.get('of'))}")
        for name, count in (layers.items() if isinstance(layers, Mapping) else ())
        if isinstance(count, Mapping)
    ]
    return {"pruning": [*_settings(told), *kept]}


def _adoption(card: ModelCard) -> dict[str, Pairs]:
    """Returns where the weights of an adopted model are from, and how the order of its classes is known."""
    told = {key: value for key, value in card.training.items() if key not in ("method", "origin")}
    origin = card.training.get("origin")
    return {"adopted from": [*_settings(origin if isinstance(origin, Mapping) else {}), *_settings(told)]}


def _resizing(card: ModelCard) -> list[tuple[str, str]]:
    """Returns how an adopted model's published transforms resize views and test images."""
    if (resizing := card.preprocess.resizing) is None:
        return []
    both = "both sides" if resizing.squash else "short side"
    cut = f"{both} to {resizing.short_side}, centre {card.preprocess.input_size}"
    return [("resizing", f"{resizing.interpolation}, as {resizing.arithmetic}"), ("test images", cut)]


def describe_begun(begun: BegunRun, folder: Path, *, state: str, why: str) -> dict[str, Pairs]:
    """Returns the state of an unfinished run, how far it is, and its settings by table; every text is cleaned."""
    reached = "no step is saved yet"
    if begun.step:
        steps = f" of {count_text(begun.steps)}" if begun.steps else ""
        reached = f"step {count_text(begun.step)}{steps}, in epoch {count_text(begun.epoch)}"
        reached += f" of {count_text(begun.epochs)}" if begun.epochs else ""
    tables: dict[str, dict[str, object]] = {}
    for key, value in begun.settings.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(clean(table) or "model", {})[name] = value
    return {
        "run": [
            ("folder", str(folder)),
            ("state", f"{state}: {one_line(why)}" if why else state),
            ("reached", reached),
            *([("time", duration_text(begun.seconds))] if begun.step else []),
            *([("next", "the same command continues it, with the settings below")] if state in _CONTINUES else []),
        ],
        **{table: _settings(settings) for table, settings in tables.items()},
    }


def describe_store(store: GuideStore) -> dict[str, Pairs]:
    """Returns what the header of a store says, by section; every text is cleaned."""
    header, written = store.header, store.completeness()
    unfinished = f"incomplete: {count_text(written.views_done)} of {count_text(written.views)} views are done"
    precision = clean(str(header.compute.get("precision", "")))
    data, guide = header.dataset, header.guide
    return {
        "store": [
            ("path", str(store.path)),
            ("state", "sealed" if store.seal else unfinished),
            *([] if store.seal else [("next", "the same command continues it: the other views are dumped")]),
            ("seal", store.seal or "-"),
            *([("signature", describe_signature(store))] if store.seal else []),
            ("size", size_text(store.nbytes)),
            ("container", f"{store.kind}, codec {store.codec}"),
            *([("reader", f"pread: {store.copied_because}")] if store.copied_because else []),
            ("licence", clean(header.licence) or "-"),
        ],
        "guide": [
            ("name", clean(guide.called)),
            *_model(guide),
            *_draw(guide),
            *_accuracies({"test": guide.accuracy}, precision),
            ("its guides", _guides(guide.guides)),
            *_derived(guide.training),
        ],
        "data": [
            ("data set", f"{clean(data.name)}, {clean(data.split)}"),
            ("samples", count_text(data.samples)),
            ("classes", count_text(len(data.classes))),
        ],
        "views": [("range", f"{store.views.start}:{store.views.stop}"), ("plan", header.plan_digest[:16])],
        "encoding": [
            ("encoding", f"{header.encoding}, logits / {header.temperature}"),
            *_kept(header),
            ("KL", f"{float(str(header.fidelity['kl'])):.2g} nats"),
            ("top-1 agreement", percent_text(str(header.fidelity["top1"]))),
        ],
        "computed with": _settings(header.compute),
    }


def _model(guide: GuideIdentity) -> Pairs:
    """Yields the model of a guide; of one without, the identity of the logits that a program gave."""
    yield "architecture", clean(guide.architecture)
    if (identity := guide.identity) is None:
        yield "parameters", count_text(guide.parameters)
        return
    yield "weights", "none: a program gave the logits"
    yield "identity", guide.weights_digest
    for key, value in identity.items():
        yield f"identity, {clean(key)}", clean(value if isinstance(value, str) else canonical_json(value).decode())


def _draw(guide: GuideIdentity) -> Pairs:
    """Yields the draw that the rows are of, and the rates of its dropout layers."""
    record: Any = guide.training.get("draw")
    if guide.draw is not None:
        yield "draw", f"{guide.draw}, a pass with dropout"
        for name, rate in record["rates"].items():
            yield f"dropout, {clean(name)}", rate


def _kept(header: StoreHeader) -> Pairs:
    """Yields what rows of the encoding `topk` keep."""
    if header.encoding == "topk":
        given: Any = header.encoding_settings
        yield "logits in a row", f"{count_text(given['k'])} of {count_text(header.classes)}, the largest"
        yield "trains at", f"temperature {', '.join(given['temperatures'])}, where the share of all others is known"


def _offer(folder: Path, classes: int) -> Pairs:
    """Yields what rows of a guide's coefficients would take, where that is less than half of its logits."""
    width = last_layer_width(folder, classes)
    if width is not None and classes > 2 * width:
        yield (
            "smaller rows",
            f'{size_text(2 * width)} each, and {size_text(2 * classes)} in float16: encoding = "factored" in [cache], '
            f"because its last layer has {count_text(width)} inputs and {count_text(classes)} outputs",
        )


def _accuracies(accuracy: Mapping[str, str], precision: str) -> Pairs:
    for split, share in accuracy.items():
        measured = percent_text(share) + (f" in {precision}" if precision else "") if share else "-"
        yield f"accuracy ({clean(split)})", measured


def _guides(guides: Mapping[str, str]) -> str:
    return ", ".join(f"{clean(name)} {clean(seal)[:16]}" for name, seal in guides.items()) or "none"


def _derived(training: Mapping[str, Any]) -> Pairs:
    """Yields what a store was derived from. It may come from anybody: what is not ours is left out."""
    derived = training.get("derived_from")
    sources = derived.get("sources") if isinstance(derived, Mapping) else None
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, Mapping) and isinstance(derived, Mapping):
            first, count = source.get("first_view"), source.get("views")
            views = f", views {first}:{first + count}" if isinstance(first, int) and isinstance(count, int) else ""
            yield (
                "derived from",
                f"{clean(str(source.get('seal')))[:16]}{views} ({clean(str(derived.get('operation')))})",
            )


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(clean(str(key)), _value(value)) for key, value in settings.items()]


def _value(value: object) -> str:
    """Formats a setting as dgkd.toml writes it, without quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return "-" if value is None else clean(str(value))
