"""Controls of a study: guides that lack something, so that its part in their effect is seen.

Each is a store of a guide whose rows are changed, which a student reads as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from dgkd_cache.errors import Interrupted
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.philox import WORDS_PER_BLOCK, Domain, philox_words
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_stores import (
    ChunkSlot,
    GuideStore,
    GuideStoreWriter,
    IdentityArrays,
    StoreHeader,
    default_digest_rows,
    derived_header,
    get_encoding,
)

__all__ = ["CONTROLS", "OF_ONE_LABEL", "UNAUGMENTED", "smoothed_row", "write_control"]

UNAUGMENTED = "unaugmented"

_LIMIT = 700.0  # a logit

CONTROLS: Mapping[str, str] = {
    "shuffled": "each sample has the rows of a random one",
    "shuffled-in-class": "each sample has the rows of a random one of its class",
    "smoothed-labels": "each row is the label, smoothed to the mean entropy of the guide's rows",
    UNAUGMENTED: "each view of a sample has the row of its image without augmentation",
}
"""The controls, and what a guide says in each."""

OF_ONE_LABEL = ("shuffled-in-class", "smoothed-labels")
"""Controls that take a sample's label for all that its rows are of, which it is not where views mix two samples."""


def write_control(
    path: Path,
    control: str,
    *,
    source: Path,
    plain: Path,
    take_over: bool = False,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    """Writes the store of `control` for the guide whose finished store is `source`, or completes it.

    The control `unaugmented` takes its rows from `plain`, the guide's store of one view without augmentation; no other
    one reads that. All guides have the same permutation of samples. The header has the control, and `derived_from` with
    the seal of `source`, among the guide's training settings; accuracy, logits of the test set and encoding error are
    those of `source`.

    Raises Locked when another process writes it, NoSpace, and Interrupted once `stop` says so.
    """
    with GuideStore.open(source) as store, GuideStore.open(plain) as unaugmented:
        assert store.seal is not None
        label_N, view = store.label_N.astype(np.int64), unaugmented.views[0]
        header = derived_header(_dense(store.header), "control", [(store.header, store.seal)], control=control)
        smoothed_CC = _smoothed_rows(store) if control == "smoothed-labels" else None
        from_N = {"shuffled": np.zeros_like(label_N), "shuffled-in-class": label_N}
        taken_N = _permuted(from_N[control]) if control in from_N else np.arange(len(label_N))

        # Rows of topk are taken as they are: decoded, they would be right at one temperature alone.
        condensed = store.header.encoding == "topk" and smoothed_CC is None

        def rows(slot: ChunkSlot) -> NDArray[np.float32]:
            samples_S = np.arange(slot.start, slot.stop)
            if smoothed_CC is not None:
                return smoothed_CC[label_N[samples_S]]
            source, number, taken_S = store, slot.view, taken_N[samples_S]
            if control == UNAUGMENTED:
                source, number, taken_S = unaugmented, view, samples_S
            stored = source.gather_stored(np.full_like(samples_S, number), taken_S)
            encoding = source.encoding
            return encoding.condensed(stored) if condensed else encoding.decode(stored).astype(np.float32)

        with GuideStoreWriter(path, header, _identity(store), take_over=take_over, stop=stop) as writer:
            slots = list(writer.missing())
            progress.start(f"{control} rows of {header.guide.name}", total=len(slots), unit="chunks")
            for slot in slots:
                if stop():
                    raise Interrupted("a control was stopped", do="run the same command again to go on from there")
                writer.write(slot, rows(slot), condensed=condensed)
                progress.advance(1)
            writer.seal()
            progress.finish()


def _dense(header: StoreHeader) -> StoreHeader:
    """Returns the header with an encoding that holds these rows: those of a label lie in no basis of a guide.

    Rows of `topk` hold them: all classes but the label are alike.
    """
    if header.encoding != "factored":
        return header
    rows = default_digest_rows(get_encoding("float16").row_bytes(header.classes))
    return replace(header, encoding="float16", encoding_settings={}, digest_rows=rows)


def _identity(store: GuideStore) -> IdentityArrays:
    topk = store.header.encoding == "topk"
    return IdentityArrays(
        label_N=store.label_N,
        sample_digest_N16=store.sample_digest_N16,
        view_digest_V32=store.view_digest_V32,
        probe=store.probe,
        test_logits_MC=store.encoding.condensed(store.test_stored) if topk else store.test_logits_MC,
        test_label_M=store.test_label_M,
        test_sample_digest_M16=store.test_sample_digest_M16,
        condensed=topk,
    )


def _permuted(group_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns a random sample for each: a permutation of the samples within each group."""
    count = len(group_N)
    blocks = -(-count // WORDS_PER_BLOCK)
    words_N = philox_words(RunRandom(0).key16, view=0, domain=Domain.CONTROL, first_block=0, blocks=blocks)[:count]
    taken_N = np.empty(count, np.int64)
    taken_N[np.argsort(group_N, kind="stable")] = np.lexsort((words_N, group_N))
    return taken_N


def _smoothed_rows(store: GuideStore) -> NDArray[np.float32]:
    """Returns the row of each label (C, C), at the mean entropy of all rows of `store`."""
    entropies = [float(special.entr(special.softmax(view_NC, axis=1)).sum()) for view_NC in _views(store)]
    mean = sum(entropies) / (len(store.views) * len(store.label_N))
    classes = store.header.classes
    return np.stack([smoothed_row(label, classes, mean) for label in range(classes)])


def _views(store: GuideStore) -> Iterator[NDArray[np.float64]]:
    samples_N = np.arange(len(store.label_N))
    for view in store.views:
        yield store.gather(np.full_like(samples_N, view), samples_N).astype(np.float64)


def smoothed_row(label: int, classes: int, entropy: float) -> NDArray[np.float32]:
    """Returns logits (C,) whose softmax has this entropy in nats: one share for the label, all others alike.

    After Szegedy et al., CVPR 2016, and the "virtual teacher" of Yuan et al., CVPR 2020. `entropy` is between 0 and
    log(classes); the logits of the other classes are 0.
    """

    def excess(logit: float) -> float:
        row_C = np.zeros(classes)
        row_C[label] = logit
        return float(special.entr(special.softmax(row_C)).sum()) - entropy

    row_C = np.zeros(classes, np.float32)
    # At 0 the entropy is log(classes), at the limit float64 has no other class left.
    if excess(0.0) > 0:
        row_C[label] = optimize.brentq(excess, 0.0, _LIMIT) if excess(_LIMIT) < 0 else _LIMIT
    return row_C
