"""Chains that are killed, in forked children of one process that has torch loaded: a fraction of a second each."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.workspace.workspace import Workspace
from support.dying import die_at, in_child
from support.tiny_chain import content, run

__all__ = ["in_folder", "kill_at_random_moments", "kill_remakes", "points_of"]


def in_folder(ws: Workspace, folder: Path, **changes: object) -> Workspace:
    """The workspace `ws`, its data set included, in another folder and with other settings."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    other = Workspace(folder, with_overrides(ws.config, keys) if keys else ws.config)
    other.__dict__["_dataset"] = ws.dataset()
    return other


def points_of(ws: Workspace, place: Path, **changes: object) -> list[str]:
    """The changes of the disk that a whole `run --remake` makes after these changes of settings, by name."""
    read, write = os.pipe()
    shutil.copytree(ws.folder, place)

    def counted() -> None:
        names: list[str] = []
        die_at(0, counted=names.append)
        run(in_folder(ws, place, **changes), remake=True)
        with os.fdopen(write, "w") as out:
            out.write(" ".join(names))

    pid = os.fork()
    if pid == 0:
        try:
            counted()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        names = said.read().split()
    os.waitpid(pid, 0)
    return names


def kill_remakes(ws: Workspace, reference: Path, folder: Path, points: Iterable[int], **changes: object) -> int:
    """Kills `run --remake` at each of `points`, goes on, and compares with `reference`, a remake that nobody killed.

    How often the next command had nothing more to set aside than what an undisturbed one sets aside: all of them.
    """
    before, wanted = everything(ws.folder), content(reference)
    done = 0
    for point in points:
        place = folder / str(point)
        shutil.copytree(ws.folder, place)
        changed = in_folder(ws, place, **changes)

        def killed(point: int = point, changed: Workspace = changed) -> None:
            die_at(point)
            run(changed, remake=True)

        status = in_child(killed)
        assert status == 9, f"point {point}: {status}"
        assert in_child(lambda changed=changed: run(changed, remake=True)) == 0, f"point {point}"
        check(place, wanted, point)
        # Nothing of before is lost: it is where it was, or aside, perhaps in two parts.
        kept = Counter(everything(place)[1]) | Counter(everything(place / "aside")[1])
        assert not Counter(before[1]) - kept, f"point {point}"
        shutil.rmtree(place)
        done += 1
    return done


def everything(folder: Path) -> tuple[Path, list[bytes]]:
    """All weights, cards and store files under a folder, whatever their names."""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in kept if path.name in ("weights.safetensors", "card.json") or ".zarr" in str(path.parent)]
    return folder, [path.read_bytes() for path in kept]


def check(place: Path, wanted: dict[str, bytes], what: object) -> None:
    """The weights and the stores are the right ones, and nothing unfinished is left."""
    found = content(place)
    assert found == wanted, (what, sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)))
    left = [
        str(path) for path in place.rglob("*") if path.suffix in (".partial", ".writing") or "checkpoint" in path.name
    ]
    assert not left, (what, left)


def kill_at_random_moments(ws: Workspace, folder: Path, *, seed: int, kills: int, check_every: int = 5) -> Counter[str]:
    """Kills `run` at moments uniform over its length, `kills` times; every few times it ends and is compared.

    On some machines few moments leave a checkpoint: then it goes on until ten have, or to three times as many kills.
    """
    first, draw, seen = in_folder(ws, begin(ws, folder / "whole")), random.Random(seed), Counter[str]()
    assert in_child(lambda: run(first)) == 0
    wanted = content(first.folder)
    length = _length(ws, folder / "measured")
    moments: list[float] = []
    while seen["kills"] < kills or (seen["left a checkpoint"] < 10 and seen["kills"] < 3 * kills):
        here = in_folder(ws, begin(ws, folder / str(seen["chains"])))
        if seen["chains"] % 10 == 9:  # a machine has more or less else to do
            length = _length(ws, folder / "measured")
        for _ in range(check_every):
            moments.append(draw.uniform(0, length))
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    run(here)
                    status = 0
                finally:
                    os._exit(status)
            time.sleep(moments[-1])
            os.kill(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code in (0, -signal.SIGKILL), (code, moments)
            if code == 0:
                break
            seen["kills"] += 1
            seen["left a lock"] += any(here.folder.glob("*/*.writing"))
            seen["left an unfinished file"] += any(path.suffix == ".partial" for path in here.folder.rglob("*"))
            seen["left a checkpoint"] += any(here.folder.glob("runs/*/checkpoint.safetensors"))
        assert in_child(lambda here=here: run(here)) == 0, moments
        check(here.folder, wanted, moments)
        shutil.rmtree(here.folder)
        seen["chains"] += 1
    return seen


def _length(ws: Workspace, folder: Path) -> float:
    """The seconds that a whole chain takes now, from the fork on."""
    whole = in_folder(ws, begin(ws, folder))
    begun = time.perf_counter()
    assert in_child(lambda: run(whole)) == 0
    length = time.perf_counter() - begun
    shutil.rmtree(folder)
    return length


def begin(ws: Workspace, folder: Path) -> Path:
    """An empty workspace with the settings of `ws`."""
    folder.mkdir()
    shutil.copy(ws.folder / "dgkd.toml", folder)
    return folder
