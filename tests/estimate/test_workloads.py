"""The pieces of work that a plan times."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import pytest
import torch

from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.estimate.workloads import dump_batches
from dgkd_cache.views.renderer import ViewRenderer


@pytest.mark.parametrize("threads", [1, 2])
def test_every_piece_of_a_dump_is_a_batch_for_each_thread(
    bars, plan, make_tiny, as_input, tmp_path: Path, threads: int
) -> None:
    model = make_tiny(1).eval()
    writer = GuideWriter(
        tmp_path / "teacher.zarr",
        model,
        lambda pixels: model(as_input(pixels)),
        guide=Provenance(name="teacher"),
        train=ViewRenderer(plan, bars.train),
        test=ViewRenderer(plan, bars.test),
        views=range(2),
        settings=DumpSettings(batch_size=10),
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with closing(dump_batches(writer.draft, device=torch.device("cpu"))) as pieces:
            found = list(itertools.islice(pieces, 25))
    finally:
        torch.set_num_threads(before)
    assert found == [10 * threads] * 25  # over the ends of views: each has 100 samples
