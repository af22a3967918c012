"""Opens the guides of a training run, and reports unusual properties of them."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from dgkd_cache.datasets.aligned import AlignedImages
from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.images import Images
from dgkd_cache.device.device import resolve_precision
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.cached import MISSING_VIEWS_HINT
from dgkd_cache.guides.compatibility import ALIGN_HINT
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.guides.protocol import Guidance
from dgkd_cache.progress import Progress
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.foreign_guides import check_signatures
from dgkd_cache.workspace.tasks.model_setup import load_run, prepare_inference, require_same_data, say_input
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import MAX_DECODED_BYTES, GuideStore

__all__ = ["check_guides", "open_guides", "tell_of_dropping"]

_REHEARSED = 32
"""Number of images that each live guide forwards twice before anything is written: less than a usual batch."""


@contextmanager
def open_guides(
    ws: Workspace,
    views: ViewRenderer,
    guides: Sequence[Path],
    live: Sequence[Path],
    temperature: float,
    *,
    names: Sequence[str] = (),
    device: torch.device,
    begun: Mapping[str, str],
    progress: Progress,
    ranks: Ranks,
) -> Iterator[Guidance | None]:
    """Opens the guides of a run, cached or `live`, for the `with` block; None for a run without guides.

    They are called `names`, without which they have the names of their stores or runs. Live guides use the precision
    that `begun` records. Raises what `GuideBank` raises, and Mismatch for a guide from
    elsewhere without a signature where [sharing] requires one.
    """
    if guides:
        with _open_bank(ws, views, guides, temperature, device, names) as bank:
            check_signatures(ws, itertools.chain(*bank.stores.values()), progress)
            yield bank
    elif live:
        # In the precision of a dump, so that cached and live guides agree.
        before = str(record.recorded_value(begun, "live"))
        precision = resolve_precision(ws.config.cache.precision, device, begun=before, broadcast=ranks.broadcast)
        called: Sequence[str | None] = names or [None for _ in live]
        loaded = [_live_guide(ws, folder, device, progress, name) for folder, name in zip(live, called, strict=True)]
        yield LiveGuides(
            loaded,
            temperature=temperature,
            classes=len(views.images.classes),
            device=device,
            precision=precision,
            accept_probabilities=ws.config.cache.accept_probabilities,
        )
    else:
        yield None


def _open_bank(
    ws: Workspace,
    views: ViewRenderer,
    guides: Sequence[Path],
    temperature: float,
    device: torch.device,
    names: Sequence[str],
) -> GuideBank:
    """Opens cached guides. Raises what GuideBank raises, with the hint of a workspace where views are missing."""
    held, reader = range(ws.config.views.count), ws.config.cache.reader
    try:
        return GuideBank(
            *(guides, views),
            views=held,
            temperature=temperature,
            device=device,
            reader=reader,
            names=names or None,
        )
    except Mismatch as error:
        if error.do == ALIGN_HINT:
            setting = shlex.quote(f"dataset.align={guides[0].absolute()}")
            raise error.with_hint(
                do=f"`--set {setting}` matches the samples by content; align in [dataset] of dgkd.toml does so for all "
                "commands"
            ) from error
        if error.do != MISSING_VIEWS_HINT:
            raise
        raise error.with_hint(
            do="lower views.count; in a chain, `run --remake` dumps all views again; a --student takes a store of the "
            "missing views beside this one, as in --guides ta1,ta1-40-60"
        ) from error


def check_guides(
    ws: Workspace, guidance: Guidance | None, views: ViewRenderer, device: torch.device, progress: Progress
) -> None:
    """Reports unusual properties of a run's guides; rehearses live ones on the first training images."""
    if isinstance(guidance, GuideBank):
        _tell_of_validation(ws, guidance, progress)
        _tell_of_test_set(_test_differences(ws, guidance), progress)
        for name, (store, *_) in guidance.stores.items():
            if not store.header.dataset.test_samples:
                progress.say(f"guide {name} has no logits of a test set: nothing tells how good it is")
        for store in itertools.chain(*guidance.stores.values()):
            if not {*store.views} & {*guidance.views}:
                progress.warn(
                    f"{store.path} is not read: it holds none of the {ws.config.views.count} views of this run"
                )
        _tell_of_decoding(ws, guidance, progress)
        _tell_of_reader(guidance, progress)
    elif isinstance(guidance, LiveGuides):
        samples_B = views.images.samples_N[:_REHEARSED]
        pixels_BIHW = views.pixels(np.zeros_like(samples_B), samples_B).to(device)
        guidance.rehearse(pixels_BIHW)


def tell_of_dropping(rule: Dropping, names: Sequence[str], progress: Progress) -> None:
    """Warns of a rule that leaves no guide in any batch, and tells how often the only guide of a model is dropped."""
    kept = rule.kept_share(names)
    if names and not any(kept):
        setting = f"drop = {rule.drop}" if rule.kind == "fixed" else f"keep = {rule.keep:g}"
        progress.warn(f"dropping = {rule.kind} with {setting} leaves none of the {len(names)} guides")
    elif len(names) == 1 and (dropped := round(1 - kept[0], 6)):
        progress.say(
            f"{names[0]}, the only guide, is dropped in {100 * dropped:.3g} % of the batches; plain knowledge "
            "distillation is trained with `--set distillation.dropping=none`"
        )


def _live_guide(ws: Workspace, folder: Path, device: torch.device, progress: Progress, name: str | None) -> LiveGuide:
    model, card = load_run(ws, folder.name, folder)
    require_same_data(ws, card, folder, test=False)
    name = name or card.name
    if why := _other_test_set(ws, folder):
        _tell_of_test_set({name: why}, progress)
    why = "as it was adopted" if card.adopted else "as it was trained"
    say_input(ws, name, card.preprocess.input_size, progress, why=why)
    model, transform = prepare_inference(model, card, device)
    return LiveGuide(name=name, identity=card.weights_digest, preprocess=transform, model=model)


def _tell_of_validation(ws: Workspace, bank: GuideBank, progress: Progress) -> None:
    """Warns of a guide that was trained on the samples held out here, which biases their accuracy."""
    held_out = ws.config.dataset.validation
    for name, (store, *_) in bank.stores.items():
        if held_out and str(store.header.guide.training.get("validation", "0")) != str(held_out):
            progress.warn(
                f"guide {name} may have been trained on the {held_out} samples held out here: "
                "judge by the test set, not by the validation split"
            )


def _tell_of_test_set(differences: Mapping[str, str], progress: Progress) -> None:
    """Warns of guides that were tested on other images, whose accuracies are not comparable."""
    for name, why in differences.items():
        progress.warn(f"guide {name} was tested with other images than this model will be ({why})")


def _test_differences(ws: Workspace, bank: GuideBank) -> dict[str, str]:
    """Returns the first difference of each guide's test images from the workspace's, by name, where there is one."""
    test = ws.dataset().test
    found = {
        name: explain_difference(
            _in_classes_of(store, test),
            label_N=store.test_label_M,
            sample_digest_N16=store.test_sample_digest_M16,
            classes=store.header.dataset.classes,
        )
        for name, (store, *_) in bank.stores.items()
        if store.header.dataset.test_samples
    }
    return {name: difference for name, difference in found.items() if difference is not None}


def _in_classes_of(store: GuideStore, test: Images) -> Images | GuideSamples:
    """Returns our test images, in the classes of a guide of another lab that they are aligned with, under its names."""
    if isinstance(test, AlignedImages) and test.guide.classes == tuple(store.header.dataset.classes):
        return test.guide
    return test


def _other_test_set(ws: Workspace, folder: Path) -> str:
    """Returns how the test set of a finished run differs, by its record; "" if it does not."""
    before = record.recorded_value(record.read_inputs(folder) or {}, "dataset.test_digest")
    here = ws.dataset().test.digest
    return f"test set {str(before)[:16]} there, {here[:16]} here" if before not in (None, here) else ""


def _tell_of_reader(bank: GuideBank, progress: Progress) -> None:
    reasons: dict[str, list[str]] = {}
    for name, stores in bank.stores.items():
        for why in dict.fromkeys(store.copied_because for store in stores if store.copied_because):
            reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        progress.say(f"rows of {', '.join(names)} are read by pread and not mapped: {why}")


def _tell_of_decoding(ws: Workspace, bank: GuideBank, progress: Progress) -> None:
    """Warns of compressed guides that do not fit into memory once decoded, and are decoded repeatedly."""
    # A cycle needs one view while the next is decoded; a draw needs all of them in every step.
    views = ws.config.views.count if ws.config.views.schedule == "draw" else 2
    needed = sum(store.decoded_bytes(min(views, len(store.views))) for store in itertools.chain(*bank.stores.values()))
    if needed > MAX_DECODED_BYTES:
        progress.say(
            f"the compressed guides take {needed / 2**30:.1f} GiB once decoded and {MAX_DECODED_BYTES / 2**30:.0f} GiB "
            f"are kept: training will wait for them; `{ws.command('export NAME FILE.zarr --codec none')}` makes one "
            "that is only mapped, for `train --guides`"
        )
