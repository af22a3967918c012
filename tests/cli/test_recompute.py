"""`verify --recompute`: what it prints, and its exit codes; the comparison itself is in tests/workspace."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.tiny_chain import CONFIG, MODULE

from dgkd_cache.dump.inference import GuideLogits
from dgkd_cli.main import main

Command = Callable[..., Result]

AGAIN = ("--recompute", "1000", "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, its store, and one of other views whose row (3, 40) was altered before it was sealed."""
    folder = tmp_path_factory.mktemp("again")
    (folder / "tiny_bars.py").write_text(MODULE)
    (folder / "dgkd.toml").write_text(CONFIG.format(chain='teacher = "plain2"\nstudent = "plain2"'))
    of_chunks = GuideLogits.of_chunks

    def altered(self: GuideLogits, *arguments: Any) -> Any:
        for slot, rows_SC in of_chunks(self, *arguments):
            if slot.view == 3:
                rows_SC[40 - slot.start] *= -1
            yield slot, rows_SC

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.delitem(sys.modules, "tiny_bars", raising=False)
        patch.setattr(GuideLogits, "of_chunks", altered)
        verbs = (["train"], ["dump"], ["dump", "--views", "2:4"])
        for words in verbs:
            done = CliRunner().invoke(main, [*words, "--model", "teacher", "--device", "cpu"])
            assert done.exit_code == 0, done.output
    return folder


def test_a_store_that_is_what_its_guide_gives(command: Command, here: Path) -> None:
    done = command("verify", "teacher", *AGAIN)
    assert done.exit_code == 0, done.output
    assert "as its guide teacher gives it, to the bit: 192 rows in 6 batches, largest difference " in done.stdout


def test_an_altered_store_that_verify_calls_whole(command: Command, here: Path) -> None:
    assert command("verify", "--full").exit_code == 0
    done = command("verify", *AGAIN)
    assert done.exit_code == 13
    assert "teacher-2-4: not what its guide teacher gives, to the bit: 1 of 192 rows in 6 batches differ" in done.stdout
    assert "the first in view 3, sample 40" in done.stdout
    assert "teacher: as its guide teacher gives it" in done.stdout
    listed = json.loads(command("-q", "verify", *AGAIN, "--json").stdout)
    found = {one["store"]: one for one in listed if "store" in one}
    assert [found[name]["exit_code"] for name in ("teacher", "teacher-2-4")] == [0, 13]
    again = found["teacher-2-4"]["recomputed"]
    assert again.pop("largest") > 0
    assert again == {"run": "teacher", "rows": 192, "batches": 6, "exact": True, "differing": 1, "first": [3, 40]}
    plain = json.loads(command("verify", "teacher", "--json").stdout)
    assert plain and not any("recomputed" in one for one in plain)


def test_without_the_run(command: Command, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(here / "runs")
    done = command("verify", "teacher", *AGAIN)
    assert done.exit_code == 3 and "not recomputed: no row of" in done.stdout, done.output
    assert "expected the finished run teacher, of weights" in done.stdout
    (elsewhere := tmp_path / "elsewhere").mkdir()
    shutil.move(here / "guides" / "teacher.zarr", elsewhere / "teacher.zarr")
    monkeypatch.chdir(elsewhere)
    done = command("verify", "teacher.zarr", *AGAIN)
    assert done.exit_code == 2 and "found no workspace; name it with -w" in done.stdout, done.output


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("verify teacher --device cpu", "--architecture and --device go with --recompute N"),
        ("verify --full --architecture nets:make", "--architecture and --device go with --recompute N"),
        ("verify runs/teacher --recompute 5", "--recompute goes with stores, and only runs are named"),
    ],
)
def test_options_without_a_store_to_recompute_are_refused(command: Command, here: Path, words: str, found: str) -> None:
    refused = command(*words.split())
    assert (refused.exit_code, refused.stdout) == (2, "") and found in refused.stderr


def test_what_is_damaged_is_not_recomputed(command: Command, here: Path) -> None:
    (here / "guides" / "teacher.zarr" / "logits" / "c.0.0.0").unlink()
    done = command("verify", "teacher", *AGAIN)
    assert done.exit_code == 12 and "recomputed" not in done.stdout and "running your code" not in done.stderr
