"""The end of a pull where something else is at work at its target."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from stores.support.small_store import tree
from stores.support.web import Answer, Web

from dgkd_stores import Damaged, Interrupted, Mismatch, convert, pull, push, verify
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


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_the_check_of_a_copy_is_reported_and_can_be_stopped(path: Path, tmp_path: Path, form: str) -> None:
    convert(path, path.parent / "a.h5")
    push(path.parent / form, str(tmp_path / "place"))
    pull(str(tmp_path / "place"), tmp_path / "got")
    reports = list[tuple[int, int]]()

    def report(done: int, total: int) -> None:
        reports.append((done, total))

    with pytest.raises(Interrupted) as stopped:
        pull(str(tmp_path / "place"), tmp_path / "got", report=report, stop=lambda: bool(reports))
    assert stopped.value.exit_code == 130 and os.listdir(tmp_path / "got") == [form]
    reports.clear()
    assert pull(str(tmp_path / "place"), tmp_path / "got", report=report).was_there
    assert reports[-1][0] == reports[-1][1] and len({done for done, _ in reports}) > 3
    chunk = path / "logits" / "c.1.0.0"
    file = tmp_path / "got" / "a.zarr" / "logits" / "c.1.0.0" if form == "a.zarr" else tmp_path / "got" / form
    data = bytearray(file.read_bytes())
    data[data.index(chunk.read_bytes()) + 100] ^= 1
    file.write_bytes(data)
    assert pull(str(tmp_path / "place"), tmp_path / "got", report=report).fetched_files == 1
    assert reports[-1][0] == reports[-1][1]


def test_damage_where_the_root_cannot_be_asked_for_again(served: Web, tmp_path: Path) -> None:
    """Nothing says then that the store was replaced meanwhile."""
    name = "a.zarr/logits/c.1.0.0"
    (served.root / name).write_bytes(bytes((served.root / name).stat().st_size))

    def fail(answer: Answer) -> None:
        if answer.path == "a.zarr/zarr.json" and name in {path for path, _ in served.asked}:
            answer.status = 503

    served.fault = fail
    with pytest.raises(Damaged, match="damaged where it was published") as refused:
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert refused.value.exit_code == 12
