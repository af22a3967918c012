"""Verbs as a command would run them, in forked children under limits on memory and time."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cli.main import main
from hostile_runs.corpus import LOOKING, Case, apply, command
from hostile_runs.meaning import Difference, compared

__all__ = ["Ended", "Finding", "in_child", "meet", "outcome", "without_syncs"]

SECONDS = 30
"""A case that takes longer over all its verbs is taken for one that hangs."""

GROWTH_MIB = 192
"""The most that a child's address space may grow by, C libraries and threads included."""

NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of one verb."""

    code: int
    """-1 for an error that no verb turned into a message."""
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one case."""

    died: int
    """The child's own exit code: 0, or the signal that ended it, negative."""
    verbs: dict[str, Ended]
    outcome: dict[str, str]
    """Digests of weights and stores afterwards, and how `ls` tells them."""
    difference: Difference
    """The content that the change made of the file."""
    outside: bool
    """True where all that lies outside of the workspace is as it was."""


def meet(case: Case, bases: Path, folder: Path, *, untouched: bool = False, verbs: Sequence[str] = ()) -> Finding:
    """Changes a copy of the case's state in `folder`, which is emptied again, and takes it through its verbs.

    With `verbs`, these run as commands of their own instead.
    """
    workspace, outside = folder / "ws", folder / "outside"
    shutil.copytree(bases / case.state, workspace, copy_function=shutil.copyfile)
    outside.mkdir()
    file = workspace / case.file
    before = file.read_bytes()
    if not untouched:
        apply(case, workspace, outside)
    plain = file.is_file() and file.stat().st_size < 2**24
    difference = compared(case.file, before, file.read_bytes(), begun=case.begun) if plain else "changed"
    kept = snapshot(outside)
    nobody = case.change == "unreadable" and os.geteuid() == 0
    if nobody:
        for place in (workspace, *workspace.rglob("*")):
            os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
    arguments = {verb: command(verb, case.run) for verb in verbs or (*LOOKING, case.verb)}
    if verbs:
        died, ended = 0, {verb: as_command(workspace, words) for verb, words in arguments.items()}
    else:
        died, ended = in_child(workspace, arguments, folder / "result", nobody=nobody)
    finding = Finding(
        died=died, verbs=ended, outcome=outcome(workspace), difference=difference, outside=snapshot(outside) == kept
    )
    for path in (workspace, outside):
        shutil.rmtree(path)
    return finding


def in_child(
    workspace: Path,
    verbs: dict[str, list[str]],
    result: Path,
    *,
    nobody: bool = False,
    before: Callable[[], None] = lambda: None,
) -> tuple[int, dict[str, Ended]]:
    """The exit code of a child that runs verbs one after another, after `before`, and how each of them ended."""
    if not (child := os.fork()):
        found: list[Any] = []
        with result.open("w") as file, open(f"{result}.out", "w+b") as out, open(f"{result}.err", "w+b") as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            limit(nobody=nobody)
            before()
            for verb, arguments in verbs.items():
                code = attempt(["-q", "-w", str(workspace), *arguments])
                found.append([verb, code, taken(out.fileno()), taken(err.fileno())])
            json.dump(found, file)
        os._exit(0)
    died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if died:
        return died, {}
    return 0, {verb: Ended(code=code, out=out, err=err) for verb, code, out, err in json.loads(result.read_text())}


def as_command(workspace: Path, arguments: Sequence[str]) -> Ended:
    """The verb by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "dgkd_cli", "-q", "-w", str(workspace), *arguments],
        cwd=workspace.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        timeout=10 * SECONDS,
    )
    return Ended(
        code=done.returncode, out=done.stdout.decode(errors="replace"), err=done.stderr.decode(errors="replace")
    )


def limit(*, nobody: bool) -> None:
    """Limits of this process, which is for one case."""
    if nobody:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + GROWTH_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.alarm(SECONDS)


def attempt(arguments: Sequence[str]) -> int:
    """The exit code of a command."""
    code = 0
    try:
        main(arguments, prog_name="dgkd-cache")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = -1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def taken(handle: int) -> str:
    """Text that was written to a file since it was asked last."""
    size = os.lseek(handle, 0, os.SEEK_CUR)
    text = os.pread(handle, size, 0).decode(errors="replace")
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    return text


def outcome(workspace: Path) -> dict[str, str]:
    """Digests of all weights and stores of a workspace by path."""
    found = [*workspace.glob("runs/*/weights.safetensors"), *workspace.glob("guides/**/*")]
    plain = [path for path in sorted(found) if path.is_file() and not path.is_symlink()]
    small = [path for path in plain if path.stat().st_size < 2**24]
    return {str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest() for path in small}


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything under a folder: its mode, when it was changed, and its content."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def without_syncs() -> None:
    """This process and its children do not wait for the disk."""
    os.fsync = lambda handle: None  # type: ignore[assignment]  # another signature, for os calls it
