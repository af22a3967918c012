"""Names and places of files."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.paths import leftovers


def test_leftovers_are_checkpoints_and_nothing_of_anyone_else(tmp_path: Path) -> None:
    mine = ["best-12.safetensors", "best-3.safetensors.partial", "checkpoint.safetensors"]
    others = ["best-of.safetensors", "best-1.txt", "weights.safetensors", "events.out.tfevents.1", "card.json"]
    for name in (*mine, *others):
        (tmp_path / name).touch()
    (tmp_path / "best-7.safetensors").mkdir()
    (tmp_path / "best-8.safetensors").symlink_to("nothing")
    assert [path.name for path in leftovers(tmp_path)] == sorted([*mine, "best-8.safetensors"])
