"""The public calls of the stores: each argument of another kind is refused by name, and never by a raw error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.arguments import Calls, arguments_never_refused

import dgkd_stores as stores
from dgkd_stores import DgkdError, GuideStore, GuideStoreWriter, InvalidInput
from dgkd_stores.arguments import require_integer, require_number

FOR_THIS_PROJECT = set(
    "JsonValue MAX_DECODED_BYTES MAX_RECORD_BYTES MAX_VIEWS Registry check_same_header closest_names "
    "codecs_for deeper_than did_you_mean differing_keys finished_bytes fork_safe_lock get_codec "
    "derived_header draw_name split_draw_name Encoding get_encoding is_no_space is_utf8 one_line parse_strictly "
    "probe_views".split()
)
"""Names for the other packages of the distribution, which are not in docs/library.md."""

SHARING = set(
    "TrustedKeys card_of check_signature describe_signature diff merge pull push sign_store signature_path "
    "statement_of subset write_card".split()
)
"""Names that have their own tests in `sharing/`: `test_arguments.py`, and for keys `test_signatures.py`."""

ANY_VALUE = {"clean": {"text"}}
"""Arguments that any value fits."""


@pytest.fixture
def calls(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every public call with keywords that work."""
    monkeypatch.chdir(tmp_path)
    small, path, begun = recipe(), tmp_path / "a.zarr", tmp_path / "begun.zarr"
    small.write(path)
    small.write(begun, chunks=1)
    header, identity = small.header, small.identity
    store = GuideStore.open(path)
    writer = GuideStoreWriter(begun, header, identity)
    slot = next(iter(writer.missing()))

    def converted(**keywords: Any) -> None:
        stores.convert(**keywords)
        (tmp_path / "b.h5").unlink(missing_ok=True)

    def closed(made: Callable[..., Any]) -> Callable[..., None]:
        return lambda **keywords: made(**keywords).close()

    rows = {"views_B": [0, 1], "samples_B": [4, 5]}
    fields = {kind: dict(vars(value)) for kind, value in (("d", header.dataset), ("g", header.guide), ("h", header))}
    return {
        "canonical_json": (stores.canonical_json, {"value": {"a": 1}}),
        "ChunkSlot": (stores.ChunkSlot, {"view": 1, "start": 0, "stop": 4}),
        "clean": (stores.clean, {"text": "a"}),
        "convert": (
            converted,
            {"source": path, "target": tmp_path / "b.h5", "codec": "gzip", "take_over": False, "report": print_nothing},
        ),
        "DatasetIdentity": (stores.DatasetIdentity, fields["d"]),
        "decimal": (stores.decimal, {"x": 0.5}),
        "default_digest_rows": (stores.default_digest_rows, {"row_bytes": 20}),
        "expect": (store.expect, rows),
        "gather": (store.gather, rows),
        "gather_stored": (store.gather_stored, rows),
        "gather_rows": (store.gather_rows, {"index": stores.RowIndex(**rows)}),
        "decoded_bytes": (store.decoded_bytes, {"views": 3}),
        "GuideIdentity": (stores.GuideIdentity, fields["g"]),
        "GuideStore": (closed(GuideStore.open), {"path": path, "allow_incomplete": False, "reader": "auto"}),
        "GuideStoreWriter": (
            closed(GuideStoreWriter),
            {
                "path": tmp_path / "c.zarr",
                "header": header,
                "identity": identity,
                "views": range(1),
                "codec": "none",
                "take_over": False,
                "stop": never,
            },
        ),
        "IdentityArrays": (
            lambda **arrays: closed(GuideStoreWriter)(
                path=tmp_path / "d.zarr", header=header, identity=stores.IdentityArrays(**arrays)
            ),
            dict(vars(identity)),
        ),
        "RowIndex": (stores.RowIndex, rows),
        "StoreHeader": (stores.StoreHeader, fields["h"]),
        "StoreRepair": (
            closed(stores.StoreRepair),
            {"path": path, "take_over": False, "report": print_nothing, "stop": never},
        ),
        "to_zarr": (store.to_zarr, {"verify": True}),
        "to_xarray": (store.to_xarray, {"verify": True}),
        "read_header": (stores.read_header, {"path": path}),
        "verify": (stores.verify, {"path": path, "full": False, "report": print_nothing, "stop": never}),
        "write": (
            writer.write,
            {"slot": slot, "logits_SC": small.logits(slot.view)[slot.start : slot.stop], "condensed": False},
        ),
    }


def never() -> bool:
    return False


def print_nothing(done: int, total: int) -> None:
    pass


NAMES = (
    "canonical_json ChunkSlot clean convert DatasetIdentity decimal default_digest_rows expect gather gather_stored "
    "gather_rows decoded_bytes GuideIdentity GuideStore GuideStoreWriter IdentityArrays RowIndex "
    "read_header StoreHeader StoreRepair to_xarray to_zarr verify write"
).split()


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_gives_a_raw_error(calls: Calls, name: str) -> None:
    """Each argument in turn is replaced by what a caller may give by mistake: it works or is told, and nothing else."""
    call, keywords = calls[name]
    if name != "write":  # which a slot takes once
        call(**keywords)
    assert arguments_never_refused(name, call, keywords) <= ANY_VALUE.get(name, set())


def test_all_public_calls_are_among_them() -> None:
    results = {"Completeness", "Converted", "Damage", "HeaderAndSeal", "Verification", "codec_names", "encoding_names"}
    results |= {"ArrayDifference", "GuideCard", "Pulled", "Pushed", "Signature", "StoreDifference", "ViewDifference"}
    public = {name for name in stores.__all__ if not isinstance(getattr(stores, name), type(DgkdError))}
    classes = {name for name in stores.__all__ if name not in public}
    errors = {name for name in classes if issubclass(getattr(stores, name), DgkdError)}
    assert (public | classes) - errors - results - FOR_THIS_PROJECT - SHARING <= set(NAMES)


@pytest.mark.parametrize("given", [None, 3, [], b"x"])
@pytest.mark.parametrize("name", ["GuideStore", "GuideStoreWriter", "StoreRepair", "read_header", "verify"])
def test_what_is_no_path_is_told(calls: Calls, name: str, given: object) -> None:
    call, keywords = calls[name]
    with pytest.raises(InvalidInput, match=f"^{name}: the argument 'path' cannot be used: expected a path, as text"):
        call(**{**keywords, "path": given})


def test_the_two_paths_of_a_conversion_are_told_apart(calls: Calls) -> None:
    call, keywords = calls["convert"]
    for argument in ("source", "target"):
        with pytest.raises(InvalidInput, match=f"^convert: the argument '{argument}' cannot be used"):
            call(**{**keywords, argument: 3})


def test_a_value_within_itself_is_told() -> None:
    value: dict[str, Any] = {}
    value["a"] = [value]
    with pytest.raises(InvalidInput, match="JSON cannot hold: expected a few lists .*found a value within itself"):
        stores.canonical_json(value)


def test_numbers_of_numpy_are_numbers() -> None:
    require_integer("f", "n", np.int32(3), low=0, high=3)
    require_number("f", "x", np.float32(0.5), low=0, high=1)
    for wrong in (np.float32(np.inf), np.bool_(True), "1", 2.5):
        with pytest.raises(InvalidInput, match="f: the argument 'x' cannot be used"):
            require_number("f", "x", wrong, low=0, high=1)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, None, "an integer from 0 on"),
        (1, 5, "an integer from 1 to 5"),
        (-(2**63), 2**64 - 1, r"an integer from -2\*\*63 to 2\*\*64 - 1"),
        (0, 2**63 - 1, r"an integer from 0 to 2\*\*63 - 1"),
        (None, None, "an integer"),
    ],
)
def test_ranges_of_integers_in_words(low: int | None, high: int | None, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"expected {text}, found"):
        require_integer("f", "n", 2.5, low=low, high=high)


def test_any_integer_fits_where_there_is_no_limit() -> None:
    require_integer("f", "n", -(2**70))
