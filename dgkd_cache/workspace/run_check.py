"""Checks that the files in a run's folder are unchanged. Loads no torch.

The card has a digest of itself and of each file beside it, a checkpoint one of itself. Other files in the folder, such
as those of a logger, are ignored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged, DgkdError, Incomplete, Mismatch
from dgkd_cache.paths import CARD_FILE, CHECKPOINT_FILE, INPUTS_FILE, METRICS_FILE, WEIGHTS_FILE, leftovers
from dgkd_cache.run_files.checkpoint_file import check_checkpoint, read_record
from dgkd_cache.run_files.reading import START_OVER, damaged_file, read_file
from dgkd_cache.run_files.run_card import RunCard, read_card
from dgkd_cache.run_files.tensor_file import open_tensors
from dgkd_cache.workspace.run_inputs import read_inputs, require_inputs
from dgkd_stores.disk import explain_permission_errors, plain_file

__all__ = ["RunCheck", "check_run", "is_run", "require_sound"]

UNVERIFIED = "its card is older than the digests that cover it"

_PIECE = 2**20  # bytes that are hashed at a time


@dataclass(frozen=True, kw_only=True)
class RunCheck:
    """The result of checking a run's files.

    `card` is its card, None if the run is unfinished or the card cannot be read. `verified` is False for a finished run
    without digests, from an older version. `problems` lists all that was found.
    """

    folder: Path
    card: Mapping[str, Any] | None
    verified: bool
    problems: tuple[DgkdError, ...]

    @property
    def faults(self) -> tuple[DgkdError, ...]:
        """All problems except that the run is not finished."""
        return tuple(problem for problem in self.problems if not isinstance(problem, Incomplete))

    @property
    def state(self) -> str:
        """`done`, `begun`, `damaged`, or `refused` (a file is not a regular one, or not readable)."""
        if not self.faults:
            return "begun" if self.card is None else "done"
        return "damaged" if all(isinstance(one, Damaged | Mismatch) for one in self.faults) else "refused"

    @property
    def why(self) -> str:
        """The reason for the state, or ""."""
        if self.faults:
            return str(self.faults[0])
        return "" if self.verified or self.card is None else f"unverified: {UNVERIFIED}"


def is_run(folder: Path) -> bool:
    """Returns True if a folder holds a run, finished or begun, intact or not; raises NoPermission."""
    with explain_permission_errors(folder):
        names = (CARD_FILE, INPUTS_FILE, CHECKPOINT_FILE)
        return folder.is_dir() and any(os.path.lexists(folder / name) for name in names)


def check_run(folder: Path, *, full: bool = True) -> RunCheck:
    """Checks the run in `folder`, and raises no error that one of its files causes.

    `full` reads every byte that a digest covers; otherwise only the size of the weights is checked.
    """
    problems: list[DgkdError] = []
    card = _found(lambda: read_card(folder), problems)
    checks: list[Callable[[], None]] = []
    if card is not None:
        checks = _finished_checks(folder, card, full=full)
    elif isinstance(problems[0], Incomplete):
        checks = _begun_checks(folder, full=full)
    for check in checks:
        _found(check, problems)
    if card is None and len(problems) > 1 and os.path.lexists(folder / CARD_FILE):
        return check_run(folder, full=full)  # its training has ended meanwhile and removed this file
    return RunCheck(
        folder=folder,
        card=card.model if card else None,
        verified=card is not None and card.files is not None,
        problems=tuple(problems),
    )


def require_sound(folder: Path) -> None:
    """Raises the first problem of the run in `folder`, with every byte read; an unfinished run is not a problem."""
    for fault in check_run(folder).faults:
        raise fault


def _found(check: Callable[[], Any], problems: list[DgkdError]) -> Any:
    try:
        return check()
    except DgkdError as error:
        problems.append(error)
    except OSError as error:
        problems.append(DgkdError(f"{error.filename}: {error.strerror}"))
    return None


def _begun_checks(folder: Path, *, full: bool) -> list[Callable[[], None]]:
    """Returns the checks of each file of an unfinished run."""
    saved = [path for path in leftovers(folder) if path.suffix != ".partial"]
    return [partial(_check_begun, folder), *(partial(_check_leftover, path, full=full) for path in saved)]


def _finished_checks(folder: Path, card: RunCard, *, full: bool) -> list[Callable[[], None]]:
    """Returns the checks of each file of a finished run."""
    checks: list[Callable[[], None]] = [partial(_check_inputs, folder, card)]
    for name, file in (card.files or {}).items():
        checks.append(partial(_check_file, folder / name, file.nbytes, file.sha256 if full else ""))
    if card.files is None or WEIGHTS_FILE not in card.files:
        checks.append(partial(_check_weights, folder / WEIGHTS_FILE, card, full=full))
    return checks


def _check_leftover(path: Path, *, full: bool) -> None:
    try:
        check_checkpoint(path, full=full)
    except Damaged:
        if os.path.lexists(path):  # else a training process has removed it meanwhile
            raise


def _check_begun(folder: Path) -> None:
    """Checks inputs and metrics against the checkpoint's digests; metrics of later epochs will be written again."""
    inputs = read_inputs(folder)
    if not os.path.lexists(folder / CHECKPOINT_FILE):
        return
    record = read_record(folder / CHECKPOINT_FILE)
    if inputs is None:
        raise damaged_file(folder / INPUTS_FILE, "what the checkpoint beside it was made from", "no such file")
    if record.get("inputs") is not None:
        require_inputs(folder, inputs, str(record["inputs"]), by=CHECKPOINT_FILE)
    if record.get("metrics") is not None:
        _check_lines(folder / METRICS_FILE, str(record["metrics"]))


def _check_lines(path: Path, sha256: str) -> None:
    total = hashlib.sha256()
    lines = read_file(path).split(b"\n")[:-1] if os.path.lexists(path) else []
    for line in lines:
        if total.hexdigest() == sha256:
            return
        total.update(line + b"\n")
    if total.hexdigest() != sha256:
        raise Damaged(
            f"{path} is not what was written up to the checkpoint beside it",
            expected=f"first lines of SHA-256 {sha256[:16]}",
            found=f"{len(lines)} others",
            do=START_OVER,
        )


def _check_inputs(folder: Path, card: RunCard) -> None:
    inputs, expected = read_inputs(folder), card.model.get("inputs_digest")
    if inputs is not None and isinstance(expected, str):
        require_inputs(folder, inputs, expected or None, by=CARD_FILE)


def _check_file(path: Path, nbytes: int, sha256: str) -> None:
    """Checks the size, then the digest; a file of another size is not read."""
    try:
        with plain_file(path) as (handle, size):
            if size != nbytes:
                raise _changed(path, f"{nbytes} bytes", f"{size}")
            if not sha256:
                return
            total = hashlib.sha256()
            while piece := os.read(handle, _PIECE):
                total.update(piece)
    except FileNotFoundError as error:
        raise damaged_file(path, "the file that its card tells of", "no such file") from error
    if total.hexdigest() != sha256:
        raise _changed(path, f"SHA-256 {sha256[:16]}", total.hexdigest()[:16])


def _check_weights(path: Path, card: RunCard, *, full: bool) -> None:
    """Checks weights against the digest in a card from an older version, which has no digests of files."""
    expected = str(card.model.get("weights_digest"))
    try:
        with open_tensors(path) as file:
            if full and (found := file.digest()) != expected:
                raise _changed(path, f"weights of SHA-256 {expected[:16]}", found[:16])
    except FileNotFoundError as error:
        raise damaged_file(path, "the weights that its card tells of", "no such file") from error


def _changed(path: Path, expected: str, found: str) -> Damaged:
    return Damaged(f"{path} has changed since its card was written", expected=expected, found=found, do=START_OVER)
