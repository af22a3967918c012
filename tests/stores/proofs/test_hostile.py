"""Every hostile store is refused by every way in, by its error, in one clean line, within its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stores.proofs.hostile import CORPUS, Hostile, build
from stores.proofs.hostile.corpus import make_bases
from support.memory import HEAP

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does")

WAYS_OF_ROWS = ("read", "convert")
"""Ways that decode rows and stop at the first that is damaged."""

VERIFYING = ("verify", "verify --full")

MAX_MESSAGE = 5000


@pytest.fixture(scope="module")
def enter(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Hostile], dict[str, Any]]]:
    """Outcomes of all ways into a store of the corpus; `hostile/ways.py` has the form."""
    folder = tmp_path_factory.mktemp("hostile")
    make_bases(recipe, folder / "bases")
    command = [sys.executable, str(Path(__file__).parent / "hostile" / "ways.py"), str(folder / "bases" / "raw")]
    environment = os.environ | HEAP | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process,
    ):

        def ask(one: Hostile) -> dict[str, Any]:
            path = build(one.name, folder / "bases", folder)
            question = {"path": str(path), "base": one.base, "reserved_mib": one.reserved_mib}
            print(json.dumps(question), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            assert answer, (folder / "errors").read_text()
            return dict(json.loads(answer))

        yield ask


@pytest.mark.parametrize("one", CORPUS.values(), ids=CORPUS)
def test_refused(one: Hostile, enter: Callable[[Hostile], dict[str, Any]]) -> None:
    found = enter(one)
    assert found["died"] == 0
    for way, outcome in found["ways"].items():
        told = f"{way}: {outcome['error']} {outcome['code']} {outcome['message']}"
        assert outcome["code"] in codes(one, way), told
        if outcome["code"]:
            assert way in VERIFYING or "expected " in outcome["message"] and "found " in outcome["message"], told
            assert len(outcome["message"]) <= MAX_MESSAGE and "\n" not in outcome["message"], told
            assert way in ("write", *VERIFYING) or outcome["code"] == 3 or re.search(one.says, outcome["message"]), told
        harmless(outcome["message"] + outcome["output"].replace("\n", ""))
    assert found["grown_kib"] <= one.cap_mib * 1024
    assert found["unpickled"] == []


def codes(one: Hostile, way: str) -> set[int]:
    """The exit codes that one way into one store may have."""
    if way in ("open", "convert") and one.base == "unfinished":
        return {3}
    if way == "header":
        # Names are looked at before an array is missed.
        return {0, 15, *(error.exit_code for error in one.refused)}
    sound = not one.refused or (one.rows and way not in WAYS_OF_ROWS)
    if way == "write" and one.base.startswith("hdf5"):
        return {0}
    if way == "write":
        # Beside what a writer refuses, another header or other arrays than its own are a mismatch.
        return {12, 13, 15} | ({0} if sound else set())
    if way in VERIFYING:
        # What `open` calls unsafe in metadata is one place of damage among others here; `--full` knows its own bytes.
        sound_too = not one.refused or (one.rows and "full" not in way)
        return {0, 3} | ({12} if "full" in way else set()) if sound_too else {12, 13, 15}
    return {0} if sound else {error.exit_code for error in one.refused}


def harmless(text: str) -> None:
    """Nothing that acts on a terminal."""
    acting = [hex(ord(letter)) for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert acting == [], text


def test_every_store_says_what_it_tries() -> None:
    assert all(one.tries for one in CORPUS.values())
