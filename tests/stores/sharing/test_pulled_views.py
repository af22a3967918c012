"""`pull --views`: the store that `subset` makes of the published one, from its own rows alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore, tree
from stores.support.web import Answer, Web

from dgkd_stores import Damaged, GuideStore, InvalidInput, convert, pull, push, subset, verify


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("encoding", ["float16", "uint8", "factored", "topk"])
@pytest.mark.parametrize("views", [range(2, 3), range(3, 5)])
def test_as_a_subset(
    recipe: type[SmallStore], small_chunks: None, served: Web, tmp_path: Path, encoding: str, codec: str, views: range
) -> None:
    store = tmp_path / "b.zarr"
    seal = recipe(first_view=2, encoding=encoding).write(store, codec=codec)
    served.root = tmp_path / "own"
    push(store, str(served.root))
    reports = list[tuple[int, int]]()
    found = pull(
        f"{served.address}/b.zarr",
        tmp_path / "got",
        views=views,
        report=lambda done, total: reports.append((done, total)),
    )
    name = f"b-{views.start}-{views.stop}.zarr"
    subset(store, tmp_path / name, views=views, codec=codec)
    assert tree(tmp_path / "got" / name) == tree(tmp_path / name)
    assert found.verification is not None and found.verification.full and found.verification.origin_seal == seal
    rows = {path for path, _ in served.asked if "/logits/c." in path}
    assert {int(path.split("/c.")[1].split(".")[0]) + 2 for path in rows} == set(views)
    assert sorted(os.listdir(tmp_path / "got")) == [name, f"{name}.origin"]
    assert reports[-1][0] == reports[-1][1]
    with GuideStore.open(tmp_path / "got" / name) as opened:
        derived = opened.header.guide.training["derived_from"]
    assert isinstance(derived, dict) and derived["operation"] == "subset" and derived["sources"][0]["seal"] == seal
    rows_and_more = {path for path, _ in served.asked if "/c." in path}
    assert found.fetched_files == len(rows_and_more)
    served.asked.clear()
    again = pull(f"{served.address}/b.zarr", tmp_path / "got", views=views)
    assert again.was_there and not [path for path, _ in served.asked if "/c." in path]
    assert sorted(os.listdir(tmp_path / "got")) == [name, f"{name}.origin"]
    assert again.fetched_files == 0 and again.verification is not None and again.verification.origin_seal == seal


def test_interrupted_and_damaged(served: Web, tmp_path: Path) -> None:
    address, name = f"{served.address}/a.zarr", "a.zarr/logits/c.2.1.0"
    right = (served.root / name).read_bytes()
    (served.root / name).write_bytes(bytes(len(right)))
    assert pull(address, tmp_path / "got", views=range(2)).path == tmp_path / "got" / "a-0-2.zarr"
    with pytest.raises(Damaged, match="c.2.1.0"):
        pull(address, tmp_path / "got", views=range(1, 3))
    assert not (tmp_path / "got" / "a-1-3.zarr").exists()
    (served.root / name).write_bytes(right)

    def cut(answer: Answer) -> None:
        if name in answer.path and answer.start == 0:
            answer.cut = 100

    served.fault = cut
    pull(address, tmp_path / "got", views=range(1, 3))
    assert sorted(each for each in os.listdir(tmp_path / "got") if each.startswith("a-1")) == [
        "a-1-3.zarr",
        "a-1-3.zarr.origin",
    ]


def test_a_dry_run_writes_nothing(served: Web, tmp_path: Path) -> None:
    found = pull(f"{served.address}/a.zarr", tmp_path / "got", views=range(1, 3), dry_run=True)
    assert found.dry_run and not (tmp_path / "got").exists()


def test_refusals(served: Web, path: Path, tmp_path: Path) -> None:
    for views in (range(3), range(2, 5), range(0), range(0, 4, 2)):
        with pytest.raises(InvalidInput):
            pull(f"{served.address}/a.zarr", tmp_path / "got", views=views)
    convert(path, tmp_path / "a.h5")
    served.root = tmp_path / "own"
    push(tmp_path / "a.h5", str(served.root))
    with pytest.raises(InvalidInput, match="dgkd-cache subset"):
        pull(f"{served.address}/a.h5", tmp_path / "got", views=range(1))
    assert not (tmp_path / "got").exists() or os.listdir(tmp_path / "got") == []


def test_an_origin_that_is_lost_comes_again(served: Web, path: Path, tmp_path: Path) -> None:
    """The views are there, whole, but what proves them is not."""
    address = f"{served.address}/a.zarr"
    pull(address, tmp_path / "got", views=range(1, 3))
    before = tree(tmp_path / "got")
    shutil.rmtree(tmp_path / "got" / "a-1-3.zarr.origin")
    preview = pull(address, tmp_path / "got", views=range(1, 3), dry_run=True)
    served.asked.clear()
    found = pull(address, tmp_path / "got", views=range(1, 3))
    assert found.was_there and found.verification is not None
    assert found.verification.origin_seal == verify(path).seal and found.verification.full
    assert found.fetched_files == preview.fetched_files == len({path for path, _ in served.asked if "/c." in path}) > 0
    assert not [path for path, _ in served.asked if "logits/c." in path and "test_logits" not in path]
    assert tree(tmp_path / "got") == before


def test_views_whose_root_is_lost_are_reported_with_their_size(served: Web, tmp_path: Path) -> None:
    address = f"{served.address}/a.zarr"
    pull(address, tmp_path / "got", views=range(1, 3))
    (tmp_path / "got" / "a-1-3.zarr" / "zarr.json").unlink()
    reports = list[tuple[int, int]]()
    pull(address, tmp_path / "got", views=range(1, 3), report=lambda done, total: reports.append((done, total)))
    assert reports[0][1] > 0 and reports[-1][0] == reports[-1][1]
