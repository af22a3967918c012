"""Links at every path that a run writes: what lies behind them stays as it is; a script.

    python tests/hostile_runs/links.py WORK...

The paths are found and not listed here: an audit hook hears what each work opens for writing, makes and
renames. Names that differ from one time to the next cannot be met by a link that was there before.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from dgkd_cli.signals import StopOnSignals
from hostile_runs.bases import STOPPED_AFTER, after, make_bases
from hostile_runs.check import warm_up
from hostile_runs.children import Ended, in_child, outcome, snapshot, without_syncs

__all__ = ["KINDS", "WORKS"]


def stop_soon() -> None:
    """This process is stopped in the second epoch of the first training."""
    stop = after(STOPPED_AFTER)
    StopOnSignals.__call__ = lambda self: stop()  # type: ignore[method-assign]  # this process alone is stopped so


def nothing() -> None:
    pass


WORKS: dict[str, tuple[str, list[str], Callable[[], None]]] = {
    "run": ("new", ["run"], nothing),
    "stopped": ("new", ["run"], stop_soon),
    "resumed": ("begun", ["run"], nothing),
    "dump": ("undumped", ["dump", "--model", "teacher"], nothing),
    "remake": ("stale", ["run", "--remake"], nothing),
    "fresh": ("finished", ["train", "--model", "student", "--fresh"], nothing),
}
"""Work that writes files of runs: a state of the workspace, a command, and what is done before it."""


def symbolic(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hard(path: Path, target: Path) -> None:
    os.link(target, path)


def dangling(path: Path, target: Path) -> None:
    target.unlink()
    path.symlink_to(target)


KINDS = {"symbolic": symbolic, "hard": hard, "dangling": dangling}


def more_bases(bases: Path) -> None:
    """A workspace with no run yet, and one whose runs do not fit its settings any more."""
    shutil.copytree(bases / "finished", bases / "stale")
    toml = bases / "stale" / "dgkd.toml"
    toml.write_text(toml.read_text().replace("epochs = 2", "epochs = 1").replace("epochs = 3", "epochs = 1"))
    (bases / "new").mkdir()
    shutil.copy(bases / "finished" / "dgkd.toml", bases / "new")


def written(work: str, bases: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The paths in a workspace that a work writes under the same name each time, and the outcome."""
    state, command, before = WORKS[work]
    times: list[set[str]] = []
    for _ in range(2):
        shutil.copytree(bases / state, folder / "ws")
        heard = folder / "heard"

        def listen(heard: Path = heard) -> None:
            before()
            file = os.open(heard, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            sys.addaudithook(lambda event, about: tell(file, event, about))

        died, ended = in_child(folder / "ws", {work: command}, folder / "result", before=listen)
        assert not died and ended[work].code == (130 if work == "stopped" else 0), (died, ended)
        found = set(heard.read_text().split("\0")[:-1])
        assert all(path.startswith("/") for path in found), found
        times.append({os.path.relpath(path, folder / "ws") for path in found if path.startswith(f"{folder}/ws/")})
        done = outcome(folder / "ws")
        shutil.rmtree(folder / "ws")
    # Stores have tests of their own (tests/stores), and a link in a store's place is followed.
    paths = {path for path in times[0] & times[1] if ".zarr" not in path.replace(".zarr.writing", "")}
    return sorted(paths - {"guides"}), done


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def tell(file: int, event: str, about: tuple[Any, ...]) -> None:
    """Write down the paths that an audit event is about, where it changes the disk."""
    paths: tuple[Any, ...] = ()
    match event:
        case "open":
            paths = about[:1] if isinstance(about[2], int) and about[2] & WRITING else ()
        case "os.rename" | "os.link" | "os.symlink":
            paths = about[:2]
        case "os.mkdir" | "os.truncate":
            paths = about[:1]
    for path in paths:
        if not isinstance(path, int):
            os.write(file, os.fsencode(path) + b"\0")


def check(work: str, bases: Path, folder: Path) -> Iterator[str]:
    """Each way in which a link at any of the paths was written through, or met without a clean end."""
    state, command, before = WORKS[work]
    paths, done = written(work, bases, folder)
    assert len(paths) >= 3, paths
    for path in paths:
        for kind, plant in KINDS.items():
            shutil.copytree(bases / state, folder / "ws")
            outside = folder / "outside"
            outside.mkdir()
            place, target = folder / "ws" / path, outside / "target"
            put(place, target)
            plant(place, target)
            kept = snapshot(outside)
            died, ended = in_child(folder / "ws", {work: command}, folder / "result", before=before)
            found = f"{work} with a {kind} link at {path}"
            if snapshot(outside) != kept:
                yield f"{found}: what lies behind it has changed"
            yield from (f"{found}: {fault}" for fault in faults(died, ended.get(work), work))
            if not died and ended[work].code == 0 and outcome(folder / "ws") != done:
                yield f"{found}: done, with other weights or stores than without it"
            shutil.rmtree(folder / "ws")
            shutil.rmtree(outside)
    print(json.dumps({"work": work, "links": len(paths) * len(KINDS), "paths": paths}))


def put(place: Path, target: Path) -> None:
    """Make way for a link: what is there goes to the target, and where nothing is, the target is a file of its own."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_file():
        shutil.move(place, target)
    else:
        target.write_bytes(b"somebody's own\n")
    if place.is_dir():
        shutil.rmtree(place)


def faults(died: int, ended: Ended | None, work: str) -> Iterator[str]:
    if ended is None:
        yield f"the child ended with {died}"
    elif "Traceback" in ended.err or ended.code not in (0, 3, 11, 12, 13, 15, *([130] if work == "stopped" else [])):
        yield f"{ended.code}: {ended.err[-500:]}"


def main() -> int:
    without_syncs()
    with tempfile.TemporaryDirectory() as made:
        bases, folder = Path(made).resolve() / "bases", Path(made).resolve() / "work"
        bases.mkdir()
        folder.mkdir()
        make_bases(bases)
        more_bases(bases)
        warm_up(bases, folder)
        broken = [fault for work in sys.argv[1:] or WORKS for fault in check(work, bases, folder)]
    print("\n".join(broken))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
