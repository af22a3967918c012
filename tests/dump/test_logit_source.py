"""LogitSource: a model and a program both are one, and a dump asks both for the same blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.given_logits import Program, files_of, writer_of

from dgkd_cache.dump.given_logits import GivenLogits
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.progress import Silent
from dgkd_stores import ChunkSlot


def test_a_program_that_forwards_a_model_gives_the_rows_of_its_dump(
    bars, plan, make_tiny, as_input, dump, tmp_path: Path
) -> None:
    import torch

    model, program = make_tiny(1), Program(bars, plan)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return model(as_input(pixels))

    program.of = forward
    dump(tmp_path / "model.zarr", model, encoding="uint8")
    writer_of(tmp_path / "given.zarr", program, encoding="uint8").run()
    model_files, given_files = files_of(tmp_path / "model.zarr"), files_of(tmp_path / "given.zarr")
    assert model_files.pop("zarr.json") != given_files.pop("zarr.json")  # who the guide is, and the seal
    assert model_files == given_files


def test_both_give_the_same_parts(bars, plan, write, make_tiny, tmp_path: Path) -> None:
    program = Program(bars, plan)
    for draft, kind in (
        (write(make_tiny(1)).draft, GuideLogits),
        (writer_of(tmp_path / "a.zarr", program).draft, GivenLogits),
    ):
        source, silent = draft.logits, Silent()
        assert type(source) is kind and source.settings.batch_size == 32 and source.form.encoding.name == "float16"
        first_NC = source.of_first_rows(draft.train, 0, 70, silent)
        ((slot, rows_SC),) = source.of_chunks(draft.train, [ChunkSlot(0, 20, 60)], "x", silent, lambda: False)
        assert slot == ChunkSlot(0, 20, 60) and rows_SC.dtype == first_NC.dtype == np.float32
        np.testing.assert_array_equal(rows_SC, first_NC[20:60])
        assert [len(batch) for batch in source.of_view(draft.train, 1, 70)] == [32, 32, 6]
        assert source.of_images(draft.test, silent).shape == (40, 4)
        source.check_resumed(tmp_path / "nothing.zarr", ChunkSlot(0, 0, 32), range(3))  # nothing is before it
