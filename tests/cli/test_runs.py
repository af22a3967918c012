"""Runs as `verify` tells of them: found by name or path, one line each, the same keys in JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.unprivileged import open_folder, refused_permission

from dgkd_cache.errors import Damaged, Incomplete, UnsafeStore
from dgkd_cache.workspace.run_check import RunCheck
from dgkd_cli.app import App
from dgkd_cli.runs import RunResult, run_at

HERE = App(folder=Path("."), quiet=True)
DAMAGED = Damaged("a file has changed", expected="this", found="that", do="restore it")


def result(*problems: Exception, card: bool = True, verified: bool = True) -> RunResult:
    check = RunCheck(folder=Path("runs/x"), card={} if card else None, verified=verified, problems=problems)
    return RunResult(name="x\x1b[2J", check=check)


@pytest.mark.parametrize(
    ("one", "codes", "state", "lines"),
    [
        (result(), (), "done", ["whole, every file that its card covers checked"]),
        (result(verified=False), (), "done", ["whole, every file that its card covers checked; unverified: "]),
        (result(Incomplete("not finished"), card=False), (3,), "begun", ["begun and not finished"]),
        (result(DAMAGED, card=False), (12,), "damaged", ["damaged, 1 problem", "a file has changed: expected this"]),
        (
            result(DAMAGED, UnsafeStore("a link"), Incomplete("not finished")),
            (12, 15),
            "refused",
            ["refused, 2 problems", "a file has changed", "a link"],
        ),
    ],
)
def test_a_run_in_lines_and_codes(one: RunResult, codes: tuple[int, ...], state: str, lines: list[str]) -> None:
    assert one.exit_codes == codes
    found = list(one.lines())
    assert len(found) == len(lines)
    assert all(part in line for part, line in zip(lines, found, strict=True))
    assert found[0].startswith("run x") and "\x1b" not in found[0]
    record = one.to_dict(max(codes, default=0))
    assert list(record) == ["run", "path", "exit_code", "refused", "state", "verified", "damage"]
    assert (record["path"], record["state"], record["refused"] is not None) == ("runs/x", state, state == "refused")
    damage = [{"problem": "a file has changed", "expected": "this", "found": "that"}]
    assert record["damage"] == (damage if 12 in codes else [])


def test_a_run_is_found_by_its_name_or_its_path(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = run_at(HERE, "teacher")
    assert by_name is not None and by_name.resolve() == teacher
    assert run_at(HERE, str(teacher)) == teacher
    for nothing in ("student", "runs", "Not A Name", "~nosuchuser/x"):
        assert run_at(HERE, nothing) is None
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    assert run_at(HERE, "teacher") is None
    assert run_at(HERE, "../runs/teacher") == Path("../runs/teacher")


def test_a_folder_that_may_not_be_entered() -> None:
    with open_folder() as folder:
        (folder / "closed" / "a.zarr").mkdir(parents=True)
        (folder / "closed").chmod(0o000)
        said = refused_permission(lambda: run_at(HERE, str(folder / "closed" / "a.zarr")))
        assert said.startswith(f"1 {folder}/closed/a.zarr may not be read: expected permission"), said
