"""Chunks that are fetched: whatever happens on the way, the store is whole in the end or is not there."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore, tree
from stores.support.web import Answer, Web
from support.disk import watched

from dgkd_stores import Damaged, Incomplete, Mismatch, push, verify
from dgkd_stores.sharing.pull import pull

ROW = "a.zarr/logits/c.1.0.0"


def chunks(server: Web) -> list[str]:
    return [path for path, _ in server.asked if "/c." in path]


def test_cut_at_sixty_random_bytes(served: Web, tmp_path: Path) -> None:
    numbers, cuts = random.Random(3), Counter[str]()

    def cut(answer: Answer) -> None:
        if "/c." in answer.path and cuts[answer.path] < 4 and len(answer.body) > 1:
            answer.cut = numbers.randrange(len(answer.body))
            cuts[answer.path] += 1

    served.fault = cut
    found = pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert cuts.total() >= 60 and found.verification is not None and found.verification.exit_code == 0
    assert tree(tmp_path / "got" / "a.zarr") == tree(served.root / "a.zarr")
    assert os.listdir(tmp_path / "got") == ["a.zarr"]


@pytest.mark.parametrize("name", [ROW, "a.zarr/label/c.0", "a.zarr/digest/c.2.0.0"])
def test_a_flipped_bit_on_the_way_is_fetched_again_alone(served: Web, tmp_path: Path, name: str) -> None:
    flipped = list[str]()

    def flip(answer: Answer) -> None:
        if answer.path == name and not flipped:
            flipped.append(name)
            answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]

    served.fault = flip
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(served.root / "a.zarr")
    asked = chunks(served)
    again = {path for path in asked if asked.count(path) > 1}
    array = name.rpartition("/")[0]
    assert name in again and all(path.startswith(array) for path in again)
    assert array.endswith("digest") or again == {name}


@pytest.mark.parametrize("name", [ROW, "a.zarr/view_digest/c.0.0"])
def test_damage_where_it_was_published(served: Web, tmp_path: Path, name: str) -> None:
    file = served.root / name
    right = file.read_bytes()
    file.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    with pytest.raises(Damaged, match=name.removeprefix("a.zarr/").split("/c")[0]) as refused:
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert refused.value.exit_code == 12 and not (tmp_path / "got" / "a.zarr").exists()
    assert chunks(served).count(name) == 2
    (left,) = os.listdir(tmp_path / "got")
    assert left.startswith(".a.zarr.") and not (tmp_path / "got" / left / "zarr.json").exists()
    kept = {
        f"a.zarr/{each}" for each in tree(tmp_path / "got" / left) if "/c." in each and not each.endswith("partial")
    }
    file.write_bytes(right)
    served.asked.clear()
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(served.root / "a.zarr")
    assert kept and not kept & set(chunks(served)) and os.listdir(tmp_path / "got") == ["a.zarr"]


@pytest.mark.parametrize(
    "change", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes() + b"x")]
)
def test_a_chunk_that_lacks_or_has_another_size(served: Web, tmp_path: Path, change: Callable[[Path], object]) -> None:
    change(served.root / ROW)
    with pytest.raises(Damaged):
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert not (tmp_path / "got" / "a.zarr").exists()


def test_another_store_takes_its_place(served: Web, other: Path, tmp_path: Path) -> None:
    push(other, str(tmp_path / "elsewhere"))

    def swap(answer: Answer) -> None:
        if "/logits/c." in answer.path:
            served.root = tmp_path / "elsewhere"

    served.fault = swap
    with pytest.raises(Mismatch, match="was replaced while it was pulled") as told:
        pull(f"{served.address}/a.zarr", tmp_path / "got", jobs=1)
    assert told.value.exit_code == 13 and not (tmp_path / "got" / "a.zarr").exists()


@pytest.mark.parametrize(("ranges", "tags"), [(False, True), (True, False), (False, False)])
def test_servers_without_ranges_or_tags(served: Web, tmp_path: Path, ranges: bool, tags: bool) -> None:
    served.ranges, served.tags = ranges, tags
    cuts = list[str]()

    def cut(answer: Answer) -> None:
        if "/c." in answer.path and answer.path not in cuts:
            cuts.append(answer.path)
            answer.cut = len(answer.body) // 2

    served.fault = cut
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(served.root / "a.zarr")


@pytest.mark.parametrize("codec", ["none", "zstd", "blosc"])
@pytest.mark.parametrize("encoding", ["float32", "float16", "uint8", "factored", "topk"])
def test_round_trip(
    recipe: type[SmallStore], small_chunks: None, served: Web, tmp_path: Path, encoding: str, codec: str
) -> None:
    recipe(encoding=encoding, samples=53, first_view=2).write(tmp_path / "b.zarr", codec=codec)
    served.root = tmp_path / "own"
    push(tmp_path / "b.zarr", str(served.root))
    found = pull(f"{served.address}/b.zarr", tmp_path / "got")
    assert tree(tmp_path / "got" / "b.zarr") == tree(tmp_path / "b.zarr")
    assert verify(tmp_path / "got" / "b.zarr", full=True).damage == ()
    assert found.verification is not None and found.verification.blocks_checked == found.verification.blocks > 0


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_what_has_arrived_is_not_read_again(
    recipe: type[SmallStore], small_chunks: None, served: Web, tmp_path: Path, reads: Counter[int], encoding: str
) -> None:
    """Files that an interrupted pull has left are read once."""
    recipe(encoding=encoding).write(tmp_path / "b.zarr")
    push(tmp_path / "b.zarr", str(tmp_path / "own"))
    served.root, asked, rows = tmp_path / "own", list[str](), ("logits", "scale")

    def fail(answer: Answer) -> None:
        asked.append(answer.path)
        if sum("/logits/c." in path for path in asked) > 3:
            answer.status = 503

    def of_rows(folder: Path) -> dict[int, int]:
        return {path.stat().st_ino: path.stat().st_size for name in rows for path in folder.glob(f"{name}/c.*")}

    served.fault = fail
    reads.clear()
    with pytest.raises(Incomplete):
        pull(f"{served.address}/b.zarr", tmp_path / "got", jobs=1)
    (staging,) = (tmp_path / "got").glob(".b.zarr.*")
    whole = tmp_path / "own" / "b.zarr" / "logits" / "c.2.1.0"
    (staging / "logits" / "c.2.1.0.partial").write_bytes(whole.read_bytes()[:30])
    left = of_rows(staging)
    assert len(left) > 3 and not any(reads[inode] for inode in left)
    served.fault = lambda answer: None
    pull(f"{served.address}/b.zarr", tmp_path / "got", jobs=1)
    assert tree(tmp_path / "got" / "b.zarr") == tree(tmp_path / "b.zarr")
    got = of_rows(tmp_path / "got" / "b.zarr")
    # How many chunks were begun, as empty files, before the first error stopped the pull, is a matter of time.
    assert left.keys() <= got.keys() and sum(left.values()) < sum(got.values())
    assert {inode: reads[inode] for inode in got} == {**dict.fromkeys(got, 0), **left}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """The number of bytes that were read of each file, by its inode."""
    read = Counter[int]()

    def counted(name: str) -> None:
        really = getattr(os, name)

        def call(handle: int, *more: object) -> object:
            found = really(handle, *more)
            read[os.fstat(handle).st_ino] += found if isinstance(found, int) else len(found)
            return found

        monkeypatch.setattr(os, name, call)

    for name in ("read", "pread", "preadv"):
        counted(name)
    return read


def test_all_is_durable_before_the_root_is_there(served: Web, tmp_path: Path) -> None:
    target, volatile, found = tmp_path / "got" / "a.zarr", set[Path](), dict[str, set[Path]]()

    def before(name: str, path: Path) -> None:
        if name == "fsync":
            volatile.discard(path)
        elif name == "write":
            volatile.add(path)
        elif name in ("mkdir", "replace", "rename"):
            staged = {each for each in volatile if ".a.zarr." in str(each)}
            if path == target:
                found["store"] = staged
            elif name == "replace" and path.name == "zarr.json" and path.parent.parent == target.parent:
                found["root"] = staged - {path.parent}
            volatile.add(path.parent)

    with watched(before):
        pull(f"{served.address}/a.zarr", tmp_path / "got", jobs=1)
    assert found == {"root": set(), "store": set()} and target.parent not in volatile
