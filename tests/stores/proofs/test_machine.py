"""Any order of writing, stopping, damaging, repairing, exporting and importing, against the rows in memory.

Whatever happened before: a row that is given out is the right one, what is damaged is said and where, and the way
back ends in the store as it was written in one go, byte for byte.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dgkd_stores import DgkdError, GuideStore, GuideStoreWriter, convert, verify
from dgkd_stores.writing.repair import StoreRepair

CODECS = st.sampled_from(["none", "zstd", "blosc"])
VIEWS = st.sampled_from([range(0, 3), range(0, 1), range(1, 3)])


ROWS = ("index/c.", "logits/c.", "scale/c.", "tail/c.")
"""Beginnings of the names of chunks of rows."""


class Stop(BaseException):
    """A stop at any moment: nothing of the writer's own catches it."""


class Machine(RuleBasedStateMachine):
    """`whole` is what an uninterrupted writer makes; `path` is what happens to ours."""

    def __init__(self, recipe: Any, read_tree: Any) -> None:
        super().__init__()
        self.recipe, self.tree = recipe, read_tree

    @initialize(encoding=st.sampled_from(["float32", "float16", "uint8", "factored", "topk"]), codec=CODECS)
    def begin(self, encoding: str, codec: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 60)
        self.patch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 100)
        self.patch.setattr(os, "fsync", lambda handle: None)
        self.small = self.recipe(
            views=3, samples=20, classes=5, tests=3, digest_rows=4, compute={"batch": 4}, encoding=encoding
        )
        self.codec, self.path, self.file = codec, self.folder / "a.zarr", self.folder / "a.h5"
        with self.writer(self.folder / "whole.zarr") as writer:
            for slot in writer.missing():
                writer.write(slot, self.rows(slot))
            self.seal = writer.seal()
        self.whole = self.tree(self.folder / "whole.zarr")
        with GuideStore.open(self.folder / "whole.zarr") as store:
            self.exact = store.gather(*self.everything())
        assert sum(name.startswith("logits/c.") for name in self.whole) >= 6

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)
            self.patch.undo()

    def writer(self, path: Path, views: range | None = None) -> GuideStoreWriter:
        return GuideStoreWriter(path, self.small.header, self.small.identity, views=views, codec=self.codec)

    def rows(self, slot: Any) -> Any:
        return self.small.logits(slot.view)[slot.start : slot.stop]

    def everything(self) -> tuple[Any, Any]:
        return np.repeat(np.arange(self.small.views), self.small.samples), np.tile(
            np.arange(self.small.samples), self.small.views
        )

    @property
    def differing(self) -> set[str]:
        """Files that are not as in the store written in one go."""
        found = self.tree(self.path) if self.path.exists() else {}
        return {name for name in {*found, *self.whole} if found.get(name, b"") != self.whole.get(name, b"")}

    @property
    def sealed(self) -> bool:
        return self.path.exists() and b"dgkd_seal" in (self.path / "zarr.json").read_bytes()

    def holds_every_row(self) -> None:
        """It is the whole store, but for bytes of a compressed chunk that decode to the same: nobody looks at those."""
        assert all(name.startswith(ROWS) for name in self.differing), self.differing
        assert not self.differing or self.codec != "none", self.differing
        with GuideStore.open(self.path) as store:
            assert (store.gather(*self.everything()) == self.exact).all()

    @precondition(lambda self: not self.sealed)
    @rule(views=VIEWS, chunks=st.integers(1, 20), stop_after=st.none() | st.integers(0, 12))
    def write(self, views: range, chunks: int, stop_after: int | None) -> None:
        """Some chunks, by one writer of some of the views, stopped before one of its renames or not."""
        really, left = os.replace, stop_after

        def replace(source: Any, target: Any) -> None:
            nonlocal left
            if left is not None:
                if left == 0:
                    raise Stop
                left -= 1
            really(source, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", replace)
            with suppress(Stop), self.writer(self.path, views) as writer:
                for slot, _ in zip(list(writer.missing()), range(chunks), strict=False):
                    writer.write(slot, self.rows(slot))
                seal = writer.seal()
                assert seal is None or seal == self.seal

    @precondition(lambda self: self.path.exists())
    @rule(data=st.data(), kind=st.sampled_from(["flip", "cut", "lose", "swap"]))
    def damage(self, data: st.DataObject, kind: str) -> None:
        """One file of a finished store; an unfinished one is damaged in its rows, where its digests tell."""
        names = [name for name, content in self.tree(self.path).items() if content and name != "zarr.json"]
        chunks = [name for name in names if name.startswith(ROWS)]
        names = names if self.sealed else chunks
        if not names:
            return
        file = self.path / data.draw(st.sampled_from(sorted(names)))
        content = bytearray(file.read_bytes())
        if not content:
            return
        if kind == "flip":
            bit = data.draw(st.integers(0, 8 * len(content) - 1))
            content[bit // 8] ^= 1 << bit % 8
            file.write_bytes(content)
        elif kind == "cut":
            os.truncate(file, data.draw(st.integers(0, len(content) - 1)))
        elif kind == "lose":
            file.unlink()
        elif len(others := [name for name in chunks if name.split("/")[0] == file.parent.name]) > 1:
            other = self.path / data.draw(st.sampled_from(sorted(others)))
            file.write_bytes(other.read_bytes())
            other.write_bytes(content)

    @precondition(lambda self: self.path.exists())
    @rule()
    def check(self) -> None:
        found = verify(self.path, full=True)
        if not found.damage and self.sealed:
            self.holds_every_row()
            return
        named = {name for one in found.damage for name in one.files}
        if not self.sealed:
            assert found.exit_code in (3, 12)
            return
        assert found.exit_code == 12 and self.differing
        digests = {name for name in self.differing if name.startswith("digest/")}
        if not digests:
            # Where rows and digests are damaged together, either may be named for the other.
            rows = {name for name in named if name.startswith(ROWS)}
            unnoticed = self.differing - named
            assert not unnoticed or self.codec != "none", (unnoticed, named)
            assert named - self.differing <= rows, (named, self.differing)

    @precondition(lambda self: self.path.exists())
    @rule()
    def repair(self) -> None:
        """Ends in the whole store, whatever was damaged or not written."""
        with StoreRepair(self.path) as repair:
            repair.mend()
            if repair.lost_arrays:
                repair.write_arrays(self.small.identity)
            for slot in repair.lost_chunks:
                repair.write(slot, self.rows(slot))
            assert repair.finish() == self.seal
        assert verify(self.path, full=True).exit_code == 0
        self.holds_every_row()

    @precondition(lambda self: self.path.exists())
    @rule(codec=st.sampled_from(["none", "gzip"]))
    def export(self, codec: str) -> None:
        self.file.unlink(missing_ok=True)
        if self.sealed and not self.differing:
            assert convert(self.path, self.file, codec=codec).seal == self.seal
            return
        try:
            convert(self.path, self.file, codec=codec)
        except DgkdError as error:
            assert error.exit_code in (3, 12, 15) and not self.file.exists()
        else:
            # Padding and the layout of zarr.json are all that a copy need not notice.
            assert verify(self.file, full=True).exit_code == 0

    @precondition(lambda self: self.file.exists())
    @rule(codec=CODECS, bit=st.none() | st.integers(0, 2**40))
    def bring_back(self, codec: str, bit: int | None) -> None:
        """Import what was exported, in the place of ours or beside it, whole or with a bit flipped."""
        content = bytearray(self.file.read_bytes())
        if bit is not None:
            content[bit // 8 % len(content)] ^= 1 << bit % 8
        hurt, target = self.folder / "hurt.h5", self.folder / "back.zarr"
        hurt.write_bytes(content)
        try:
            assert convert(hurt, target, codec=codec).seal == self.seal
        except DgkdError as error:
            assert bit is not None and error.exit_code in (12, 13, 15) and not target.exists()
        else:
            if codec == self.codec:
                assert self.tree(target) == self.whole
                if self.path.exists():
                    shutil.rmtree(self.path)
                target.rename(self.path)
            else:
                with GuideStore.open(target) as store:
                    assert (store.gather(*self.everything()) == self.exact).all()
                shutil.rmtree(target)
        hurt.unlink()

    @precondition(lambda self: self.path.exists())
    @rule(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 19)), min_size=1, max_size=5))
    def read(self, pairs: list[tuple[int, int]]) -> None:
        try:
            store = GuideStore.open(self.path, allow_incomplete=True)
        except DgkdError as error:
            assert self.differing and error.exit_code in (12, 15)
            return
        with store:
            for view, sample in pairs:
                try:
                    row = store.gather([view], [sample])[0]
                except DgkdError as error:
                    assert self.differing and error.exit_code in (3, 12)
                else:
                    assert (row == self.exact[view * self.small.samples + sample]).all()

    @invariant()
    def nothing_is_left_beside(self) -> None:
        if hasattr(self, "folder"):
            assert {entry.name for entry in self.folder.iterdir()} <= {"whole.zarr", "a.zarr", "a.h5"}


def run(machine: Callable[[], Machine], examples: int) -> None:
    # Shrinking takes minutes and says little more: the steps are few.
    how = settings(max_examples=examples, stateful_step_count=20, deadline=None, phases=[Phase.reuse, Phase.generate])
    run_state_machine_as_test(machine, settings=how)


def test_any_order_of_events(recipe: Any, read_tree: Any) -> None:
    run(lambda: Machine(recipe, read_tree), 15)


@pytest.mark.slow
def test_any_order_of_events_at_length(recipe: Any, read_tree: Any) -> None:
    run(lambda: Machine(recipe, read_tree), 200)
