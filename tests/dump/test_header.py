"""StoreDraft: what is known of a store before it is written agrees with the store once it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from dgkd_cache.dump.writer import GuideWriter
from dgkd_stores import GuideStore, differing_keys


def test_the_forwards_of_a_draft_are_those_of_its_dump(write: Callable[..., GuideWriter], make_tiny, as_input) -> None:
    model, seen = make_tiny(1), []

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return model(as_input(pixels))

    writer = write(model, forward)
    assert list(writer.draft.rehearse(1)) == [32, 32, 32, 4]
    assert seen == [32, 32, 32, 32, 4], "the first batch is rehearsed"
    writer = write(model, forward)
    seen.clear()
    writer.run()
    assert sum(seen) == writer.draft.forwards


def test_the_header_of_a_draft_lacks_what_is_measured_and_nothing_else(
    write: Callable[..., GuideWriter], make_tiny, tmp_path: Path
) -> None:
    writer = write(make_tiny(1))
    with GuideStore.open(writer.run().path) as store:
        held = store.header
    differing = differing_keys(held.to_dict(), writer.draft.header.to_dict())
    assert set(differing) <= {"fidelity.kl", "fidelity.top1", "fidelity.rows", "guide.accuracy"}, differing
    assert "guide.accuracy" in differing
    assert writer.draft.like(held) == held
