"""The end of a pull where something else is at work at its target."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from stores.support.small_store import tree

from dgkd_stores import Interrupted, Mismatch, pull, push, verify
from dgkd_stores.sharing import pulling


def test_a_target_that_appears_meanwhile_is_left(
    place: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = pulling.publish_new

    def late(finished: Path, target: Path) -> None:
        shutil.copytree(other, target)
        publish(finished, target)

    monkeypatch.setattr(pulling, "publish_new", late)
    with pytest.raises(Mismatch, match="appeared meanwhile"):
        pull(str(place), tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(other)


def test_a_stop_is_exit_code_130_and_goes_on(place: Path, tmp_path: Path) -> None:
    asked = list[int]()

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 60

    with pytest.raises(Interrupted) as stopped:
        pull(str(place), tmp_path / "got", jobs=1, stop=stop)
    assert stopped.value.exit_code == 130 and not (tmp_path / "got" / "a.zarr").exists()
    assert pull(str(place), tmp_path / "got").fetched_files < len(tree(place / "a.zarr"))
    assert verify(tmp_path / "got" / "a.zarr", full=True).exit_code == 0


def test_what_an_unfinished_pull_of_another_store_left_is_not_used(place: Path, other: Path, tmp_path: Path) -> None:
    push(other, str(tmp_path / "second"))
    asked = list[int]()
    with pytest.raises(Interrupted):
        pull(str(tmp_path / "second"), tmp_path / "got", jobs=1, stop=lambda: bool(asked.append(1)) or len(asked) > 60)
    pull(str(place), tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(place / "a.zarr")
    assert len(os.listdir(tmp_path / "got")) == 2, "the other one can go on"
