"""Files that are fetched: again after each cut, from where they stopped, and of the right object alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from stores.support.web import Answer, Web

from dgkd_stores import Damaged, Incomplete, UnsafeStore
from dgkd_stores.sharing.address import parse_address
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.object_storage import open_object_storage
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed

DATA = random.Random(1).randbytes(100_000)


@pytest.fixture
def fetcher(served: Web, tally: Tally) -> Fetcher:
    (served.root / "x").write_bytes(DATA)
    return Fetcher(open_object_storage(parse_address(served.address)), "", tally)


def fetch(fetcher: Fetcher, path: Path, size: int | None = len(DATA)) -> bytes:
    fetcher.file("x", path, size=size, fits=lambda found: size in (None, found), expected=f"{size} bytes")
    return path.read_bytes()


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_cut_at_random_bytes(
    served: Web, fetcher: Fetcher, tally: Tally, tmp_path: Path, ranges: bool, tags: bool
) -> None:
    numbers, cuts = random.Random(7), list[int]()
    served.ranges, served.tags = ranges, tags

    def cut(answer: Answer) -> None:
        if len(cuts) < (60 if ranges else 8):
            answer.cut = numbers.randrange(len(answer.body) // 2)
            cuts.append(answer.cut)

    served.fault = cut
    assert fetch(fetcher, tmp_path / "got") == DATA
    assert tally.done == len(DATA) and not (tmp_path / "got.partial").exists()
    assert len(cuts) == (60 if ranges else 8)


def test_it_goes_on_in_another_process(served: Web, fetcher: Fetcher, tally: Tally, tmp_path: Path) -> None:
    (tmp_path / "got.partial").write_bytes(DATA[:70_000])
    assert fetch(fetcher, tmp_path / "got") == DATA and served.asked == [("x", 70_000)] and tally.done == len(DATA)


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("there", [len(DATA), len(DATA) + 5])
def test_a_partial_that_is_long_enough(
    served: Web, fetcher: Fetcher, tmp_path: Path, there: int, size: int | None
) -> None:
    (tmp_path / "got.partial").write_bytes((DATA + b"12345")[:there])
    assert fetch(fetcher, tmp_path / "got", size) == DATA


def test_an_object_that_changes_is_begun_anew(served: Web, fetcher: Fetcher, tally: Tally, tmp_path: Path) -> None:
    new = random.Random(2).randbytes(len(DATA))

    def swap(answer: Answer) -> None:
        if answer.start == 0 and answer.body == DATA:
            answer.cut = 40_000
            (served.root / "x").write_bytes(new)

    served.fault = swap
    assert fetch(fetcher, tmp_path / "got") == new and tally.done == len(DATA)
    assert [start for _, start in served.asked] == [0, served.asked[1][1], 0] and served.asked[1][1] > 0


def test_the_object_of_one_tag_alone(served: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(Changed):
        fetcher.file("x", tmp_path / "got", size=len(DATA), fits=lambda found: True, expected="it", tag="another")
    assert not (tmp_path / "got").exists()


def test_wrong_answers_to_a_range(served: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "got.partial").write_bytes(DATA[:1000])

    def shift(answer: Answer) -> None:
        if answer.range:
            answer.range = f"bytes {answer.start + 1}-{answer.total}/{answer.total}"

    served.fault = shift
    assert fetch(fetcher, tmp_path / "got") == DATA
    assert served.asked == [("x", 1000), ("x", 0)]


def test_a_server_that_always_cuts(served: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    def cut(answer: Answer) -> None:
        answer.cut = 0

    served.fault = cut
    with pytest.raises(Incomplete) as gave_up:
        fetch(fetcher, tmp_path / "got")
    assert gave_up.value.exit_code == 3 and not (tmp_path / "got").exists()


def test_a_server_that_never_gets_beyond_a_byte(served: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    def cut(answer: Answer) -> None:
        answer.cut = max(0, 4_000 - answer.start)

    served.fault = cut
    with pytest.raises(Incomplete, match="13 failures"):
        fetch(fetcher, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_sizes_and_lack(served: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="expected 5 bytes, found 100000 bytes"):
        fetch(fetcher, tmp_path / "got", 5)
    assert len(served.asked) == 1
    (served.root / "x").unlink()
    with pytest.raises(Damaged, match="no such object"):
        fetch(fetcher, tmp_path / "got")


def test_small(served: Web, fetcher: Fetcher) -> None:
    assert fetcher.small("x", limit=len(DATA)) == DATA
    with pytest.raises(UnsafeStore, match="at most 10 bytes"):
        fetcher.small("x", limit=10)
    with pytest.raises(FileNotFoundError):
        fetcher.small("nothing", limit=10)


def test_discard(fetcher: Fetcher, tally: Tally, tmp_path: Path) -> None:
    fetch(fetcher, tmp_path / "got")
    fetcher.discard(tmp_path / "got")
    assert tally.done == 0 and not (tmp_path / "got").exists()
