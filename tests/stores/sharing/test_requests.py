"""Requests that are sent again, and objects that are created without replacing one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dgkd_stores import Incomplete
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Found, LostConnection, Reading, WritableRemote
from dgkd_stores.sharing.requests import ATTEMPTS, attempt, ensure


class Scripted(WritableRemote):
    """A place in memory; `events` are what the next requests to create do before they work."""

    address = "scripted"

    def __init__(self, *events: str, conditional: bool = True) -> None:
        self.objects = dict[str, bytes]()
        self.events, self.enforces, self.creates = list(events), conditional, 0

    def names(self, prefix: str) -> Mapping[str, Found]:
        return {name: Found(size=len(data), tag=None) for name, data in self.objects.items() if name.startswith(prefix)}

    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        data = self.objects[name]
        return Reading(found=Found(size=len(data), tag=None), pieces=iter([memoryview(data)]))

    def create(self, name: str, data: bytes | memoryview) -> bool:
        self.creates += 1
        event = self.events.pop(0) if self.events else ""
        if event == "lost":
            raise LostConnection("before")
        if event == "conflict":
            return False
        if name in self.objects and self.enforces:
            return False
        self.objects[name] = bytes(data)
        if event == "answer lost":
            raise LostConnection("after")
        return True

    def replace(self, name: str, data: bytes | memoryview) -> None:
        self.objects[name] = bytes(data)


def test_a_request_is_sent_again(tally: Tally) -> None:
    answers = [LostConnection("1"), LostConnection("2"), 7]

    def request() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(str(answer))

    assert attempt(tally, request, "x") == 7


def test_after_enough_failures_it_is_incomplete(tally: Tally) -> None:
    asked = list[int]()

    def request() -> None:
        asked.append(1)
        raise LostConnection("connection reset")

    with pytest.raises(Incomplete, match="connection reset") as gave_up:
        attempt(tally, request, "ta1.zarr/x")
    assert gave_up.value.exit_code == 3 and len(asked) == ATTEMPTS


@pytest.mark.parametrize("events", [(), ("lost",), ("answer lost",), ("conflict",), ("lost", "answer lost", "lost")])
def test_an_object_is_created_once(tally: Tally, events: tuple[str, ...]) -> None:
    place = Scripted(*events)
    assert ensure(place, "x", b"mine", tally)
    assert place.objects == {"x": b"mine"}


def test_what_is_there_is_compared_and_not_replaced(tally: Tally) -> None:
    place = Scripted()
    place.objects["x"] = b"ours"
    assert not ensure(place, "x", b"mine", tally) and ensure(place, "x", b"ours", tally)
    assert place.creates == 2
    assert ensure(place, "x", b"ours", tally, there=Found(size=4, tag=None)) and place.creates == 2
    assert place.objects == {"x": b"ours"}


@pytest.mark.parametrize("conditional", [True, False])
def test_a_place_without_conditional_writes_is_found_out(tally: Tally, conditional: bool) -> None:
    place = Scripted(conditional=conditional)
    assert place.conditional is None
    assert ensure(place, "x", b"mine", tally) and ensure(place, "y", b"mine", tally)
    assert place.conditional is conditional
    assert place.creates == 3, "one request more, for the first object alone"


def test_endless_conflicts_end(tally: Tally) -> None:
    with pytest.raises(Incomplete, match="conflicts"):
        ensure(Scripted(*["conflict"] * 100), "x", b"mine", tally)
