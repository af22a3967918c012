"""`dgkd-cache info`: describes one run or one guide store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dgkd_cache.errors import StoreNotFound
from dgkd_cache.paths import CARD_FILE
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.console import facts, print_json
from dgkd_cli.humanize import count_text, duration_text, percent_text, share_number, size_text, with_numbers
from dgkd_stores import GuideStore, clean
from dgkd_stores.disk import as_store_path, expand_user

if TYPE_CHECKING:
    from dgkd_cache.run_files.model_card import ModelCard
    from dgkd_cache.workspace.listing import RunEntry
    from dgkd_cache.workspace.run_check import RunCheck

__all__ = ["info"]


@click.command()
@click.argument("what", metavar="NAME|PATH")
@json_option
@pass_app
def info(app: App, what: str, as_json: bool) -> None:
    """Describe a run, a guide store, or both of a NAME; a PATH is a store or a run's folder anywhere.

    The state of a run that is named is that of `ls`: `stale` if it was made with other settings or guides than today's.
    A store is opened with all its checks but those of its rows; that needs no torch and no workspace. With --json its
    header comes as it is stored, so fractions in it are texts.

    \b
    Examples:
      dgkd-cache info teacher
      dgkd-cache info guides/teacher.zarr --json
      dgkd-cache info teacher.h5
    """
    run, store = _places(app, what)
    found: dict[str, Any] = {"run": None, "run_state": None, "store": None}
    parts = []
    if run:
        from dgkd_cache.run_files.model_card import load_card
        from dgkd_cache.workspace.listing import list_run
        from dgkd_cache.workspace.run_check import check_run

        card, named = load_card(run), run != expand_user(what)
        # One that is given by its path may be of another workspace, whose settings are not read.
        state = list_run(app.workspace(), what) if named else check_run(run, full=False)
        found["run"] = with_numbers(card.model_dump(mode="json"))
        found["run_state"] = {"state": state.state, "why": state.why}
        parts.append(facts(_run_facts(card, run, state)))
    if store:
        with GuideStore.open(store, allow_incomplete=True) as opened:
            found["store"] = _as_json(opened)
            parts.append(facts(_store_facts(opened)))
    if as_json:
        print_json(found)
    else:
        click.echo("\n\n".join(parts))


def _places(app: App, what: str) -> tuple[Path | None, Path | None]:
    """Returns the run's folder and the store that `what` names; at least one of them."""
    path = expand_user(what)
    if os.path.lexists(path / CARD_FILE):
        return path, None
    if (store := as_store_path(what)) is not None:
        return None, store
    workspace = app.workspace()
    runs = [name for name in workspace.runs() if os.path.lexists(workspace.run_folder(name) / CARD_FILE)]
    run = workspace.run_folder(what) if what in runs else None
    store = workspace.store_path(what) if what in workspace.stores() else None
    if run is None and store is None:
        known = sorted({*runs, *workspace.stores()})
        raise StoreNotFound(
            f"no finished run and no guide store for {what!r}",
            expected=f"one of {', '.join(known)}" if known else "a name that is there",
            found=repr(what) if known else "an empty workspace",
            do=f"`{workspace.command('ls')}` lists what is there",
        )
    return run, store


def _as_json(store: GuideStore) -> dict[str, Any]:
    written = store.completeness()
    return {
        "path": str(store.path),
        "container": store.kind,
        "codec": store.codec,
        "seal": store.seal,
        "bytes": store.nbytes,
        "accuracy": share_number(store.header.guide.accuracy),
        "complete": written.complete,
        "views_done": written.views_done,
        "blocks_missing": written.blocks_missing,
        "header": store.header.to_dict(),
    }


def _run_facts(card: ModelCard, folder: Path, state: RunEntry | RunCheck) -> Iterable[tuple[str, str]]:
    yield "run", str(folder)
    yield "state", f"{state.state}: {clean(state.why)}" if state.why else state.state
    yield "architecture", f"{clean(card.architecture)}, {count_text(card.parameters)} parameters"
    for split, accuracy in card.accuracy.items():
        computed = clean(str(card.compute.get("precision", "")))
        yield f"accuracy ({clean(split)})", f"{percent_text(accuracy)} in {computed}"
    yield "data set", clean(card.dataset.get("name", ""))
    yield "views", _settings(card.views)
    yield "training", _settings(card.training)
    yield "guides", _guides(card.guides)
    yield "time", duration_text(card.seconds)
    yield "computed with", _settings(card.compute)
    yield "weights", card.weights_digest


def _store_facts(store: GuideStore) -> Iterable[tuple[str, str]]:
    header, written = store.header, store.completeness()
    missing = f"{written.views - written.views_done} of {written.views} views are not finished"
    yield "store", str(store.path)
    yield "state", "sealed" if store.seal else f"incomplete: {missing}"
    yield "seal", store.seal or "-"
    yield (
        "guide",
        f"{clean(header.guide.name)}, {clean(header.guide.architecture)}, "
        f"{count_text(header.guide.parameters)} parameters",
    )
    computed = clean(str(header.compute.get("precision", "")))
    accuracy = percent_text(header.guide.accuracy)
    yield "accuracy", f"{accuracy} in {computed}" if header.guide.accuracy else accuracy
    yield "its guides", _guides(header.guide.guides)
    yield (
        "data set",
        f"{clean(header.dataset.name)}, {clean(header.dataset.split)}: "
        f"{count_text(header.dataset.samples)} samples, {len(header.dataset.classes)} classes",
    )
    yield "views", f"{store.views.start}:{store.views.stop} of plan {header.plan_digest[:16]}"
    yield "encoding", f"{header.encoding}, logits / {header.temperature}"
    yield "encoding error", f"KL {header.fidelity['kl']}, top-1 {percent_text(str(header.fidelity['top1']))}"
    yield "container", f"{store.kind}, codec {store.codec}"
    if store.copied_because:
        yield "reader", f"pread: {store.copied_because}"
    yield "size", size_text(store.nbytes)
    yield "computed with", _settings(header.compute)
    yield "licence", clean(header.licence) or "-"


def _guides(guides: Any) -> str:
    return ", ".join(f"{clean(name)} {clean(seal)[:16]}" for name, seal in guides.items()) or "none"


def _settings(settings: Any) -> str:
    return ", ".join(f"{clean(str(key))} {clean(str(value))}" for key, value in settings.items())
