"""The header: round trips, its bytes, and what it refuses by which error."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgkd_stores import InvalidInput, Mismatch, StoreHeader, UnsafeStore


def test_json_round_trip_and_bytes(recipe: Any) -> None:
    header = recipe().header
    text = json.dumps(header.to_dict())
    assert StoreHeader.from_dict(json.loads(text)) == header
    assert header.canonical == json.dumps(
        json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8")
    assert (header.to_dict()["format"], header.to_dict()["version"]) == ("dgkd-guide-store", 1)
    assert (header.classes, header.row_bytes, header.blocks) == (7, 28, 7)


def test_what_the_caller_gave_can_change_without_the_header(recipe: Any) -> None:
    compute = {"batch": 16}
    header = recipe(compute=compute).header
    compute["batch"] = 17
    assert header.compute == {"batch": 16}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 0}, "views: expected an integer from 1 to 1048576, found 0"),
        ({"views": True}, "views: expected an integer"),
        ({"temperature": "4e0"}, "temperature: expected a decimal string without an exponent, found 4e0"),
        ({"temperature": "0"}, "temperature: expected a decimal above 0"),
        ({"temperature": 4.0}, "temperature: expected a decimal string"),
        ({"encoding": "float61"}, "unknown encoding: .*float16"),
        ({"probe": "sha1"}, "probe: expected sha256 or projection, found sha1"),
        ({"compute": {}}, "compute.batch: expected an integer from 1"),
        ({"compute": {"batch": 1, "lr": 0.1}}, "write a number that is no integer as a decimal string"),
        ({"fidelity": {"kl": "0"}}, "fidelity: expected the keys kl, rows, top1"),
        (
            {"plan_digest": "0" * 64},
            "plan_digest: expected .*SHA-256 of the plan's canonical JSON, found 000",
        ),
        ({"digest_rows": 0}, "digest_rows: expected an integer from 1"),
        ({"first_view": -1}, "first_view: expected an integer from 0"),
    ],
)
def test_bad_values(recipe: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        replace(recipe().header, **change)


@pytest.mark.parametrize(("classes", "label"), [(("a", "a"), 1), (("",), 0), (("a", "b", ""), 2)])
def test_classes_have_names_of_their_own(recipe: Any, classes: tuple[str, ...], label: int) -> None:
    header = recipe().header
    with pytest.raises(InvalidInput, match=f"dataset.classes.{label}: expected a name"):
        replace(header.dataset, classes=classes)
    strange = header.to_dict()
    strange["dataset"]["classes"] = list(classes)
    with pytest.raises(UnsafeStore, match=f"dataset.classes.{label}: expected a name"):
        StoreHeader.from_dict(strange)


@pytest.mark.parametrize("classes", [(), {}, "ab", None])
def test_classes_are_a_list(recipe: Any, classes: Any) -> None:
    header = recipe().header.to_dict()
    with pytest.raises(UnsafeStore, match="dataset.classes: expected a list, found "):
        StoreHeader.from_dict(header | {"dataset": header["dataset"] | {"classes": classes}})


def test_a_newer_version_is_refused_by_name(recipe: Any) -> None:
    newer = {**recipe().header.to_dict(), "version": 3, "something": "new"}
    with pytest.raises(
        Mismatch, match="newer guide store: expected .* version 1 or 2, found version 3; update"
    ) as caught:
        StoreHeader.from_dict(newer)
    assert caught.value.exit_code == 13


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 0},
        {"version": "1"},
        {"extra": 1},
        {"plan": []},
        {"dataset": None},
        {"guide": {"name": "x"}},
        {"views": 2**40},
        {"digest_rows": 2**40},
        {"licence": None},
    ],
)
def test_a_strange_header_is_unsafe(recipe: Any, change: dict[str, Any]) -> None:
    with pytest.raises(UnsafeStore) as caught:
        StoreHeader.from_dict({**recipe().header.to_dict(), **change})
    assert caught.value.exit_code == 15


@pytest.mark.parametrize("name", ["../x", "", "A", "a" * 65, "x\x1b[31m"])
def test_guide_names(recipe: Any, name: str) -> None:
    with pytest.raises(InvalidInput, match="guide.name: expected text that matches") as caught:
        replace(recipe().header.guide, name=name)
    assert "\x1b" not in str(caught.value)


def test_the_encoding_decides_the_version(recipe: Any) -> None:
    header = recipe(encoding="factored", width=3).header
    stored = header.to_dict()
    assert (stored["version"], stored["encoding_settings"]) == (2, {"width": 3})
    assert (header.row_bytes, StoreHeader.from_dict(stored)) == (6, header)
    assert "encoding_settings" not in recipe().header.to_dict()
    header = recipe(encoding="topk", k=3).header
    stored = header.to_dict()
    assert (stored["version"], stored["encoding_settings"]) == (2, {"k": 3, "temperatures": ["4", "1"]})
    assert (header.row_bytes, StoreHeader.from_dict(stored)) == (3 * 4 + 2 * 4, header)


@pytest.mark.parametrize(
    ("encoding", "change", "message"),
    [
        ("factored", {"version": 1}, "no encoding_settings in version 1"),
        ("factored", {"encoding": "float16"}, "encoding_settings: expected none for float16, found width"),
        ("factored", {"encoding": "float16", "encoding_settings": {}}, "encoding: expected an encoding of version 2"),
        ("factored", {"encoding_settings": {}}, "width alone, an integer from 1 to 7, found none"),
        ("factored", {"encoding_settings": {"width": 8}}, "an integer from 1 to 7, found width 8"),
        ("factored", {"encoding_settings": {"width": True}}, "found width True"),
        ("factored", {"encoding_settings": {"width": 3, "more": 1}}, "found more 1, width 3"),
        ("factored", {"encoding_settings": [3]}, "encoding_settings: expected a mapping"),
        ("topk", {"version": 1}, "no encoding_settings in version 1"),
        ("topk", {"encoding_settings": {"k": 3}}, "k, an integer from 1 to 6, and temperatures, for 7 classes"),
        ("topk", {"encoding_settings": {"k": 7, "temperatures": ["4"]}}, "an integer from 1 to 6, .* found k 7"),
        ("topk", {"encoding_settings": {"k": 3, "temperatures": ["1", "4"]}}, "begin with that of the rows, 4, found"),
        ("topk", {"encoding_settings": {"k": 3, "temperatures": ["4", "4.0"]}}, "the store's own first.*none twice"),
        ("topk", {"encoding_settings": {"k": 3, "temperatures": ["4"] * 17}}, "1 to 16 decimals"),
        ("topk", {"encoding_settings": {"k": 3, "temperatures": "4"}}, "1 to 16 decimals"),
        ("topk", {"encoding_settings": {"k": 3, "temperatures": ["4", "1e0"]}}, "1 to 16 decimals"),
        ("topk", {"temperature": "2"}, "begin with that of the rows, 2, found 4"),
        ("float16", {"version": 2}, "missing or unknown: encoding_settings"),
        ("float16", {"version": 2, "encoding_settings": {}}, "encoding: expected an encoding of version 2"),
        ("float16", {"encoding": "factored"}, "width alone"),
    ],
)
def test_settings_of_another_version_are_unsafe(
    recipe: Any, encoding: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsafeStore, match=message):
        StoreHeader.from_dict(recipe(encoding=encoding).header.to_dict() | change)


def test_petabytes_are_refused(recipe: Any) -> None:
    header = recipe().header
    with pytest.raises(InvalidInput, match="bytes in all rows: expected an integer from 1 to 140737488355328"):
        replace(header, dataset=replace(header.dataset, samples=2**31), views=2**20)


def test_the_plan_digest_is_that_of_the_plan(recipe: Any) -> None:
    header = recipe().header
    plain = json.dumps(header.plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert header.plan_digest == hashlib.sha256(plain.encode()).hexdigest()


def test_views_have_places(recipe: Any) -> None:
    header = recipe(first_view=40, views=3).header
    assert [header.place_of(view) for view in (39, 40, 42)] == [-1, 0, 2]
    assert [header.view_at(place) for place in (0, 2)] == [40, 42]
    assert header.place_of(np.array([42, 40, 41])).tolist() == [2, 0, 1]
    assert header.view_at(np.array([2, 0, 1])).tolist() == [42, 40, 41]
