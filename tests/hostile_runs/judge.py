"""The outcomes of a case: a refusal by its exit code in one clean line, or the outcome of the untouched workspace."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile_runs.children import Ended, Finding
from hostile_runs.corpus import Case
from hostile_runs.meaning import Difference

__all__ = ["faults"]

MAX_MESSAGE = 5000

OWN_CODE = "running your code: tiny_bars:bars from dgkd.toml\n"
"""Said before a data set of the user's own is imported."""

MODEL = ("card.json", "weights.safetensors")
FINISHED = {
    "eval": MODEL,
    "dump": MODEL,
    "live": MODEL,
    "train": (*MODEL, "inputs.json"),
    "run": (*MODEL, "inputs.json"),
    "verify": (*MODEL, "inputs.json", "metrics.jsonl"),
    "info": ("card.json",),
}
"""The files of a finished run that each verb goes by: none of them may differ in what it means and be taken."""

BEGUN = dict.fromkeys(("train", "run", "verify"), ("inputs.json", "metrics.jsonl", "checkpoint.safetensors"))
"""Those of a run that is not finished."""

UNSAFE = ("fifo", "device", "sockets", "link", "dangling_link", "link_to_itself", "link_to_a_device")


def faults(case: Case, found: Finding, untouched: Finding) -> Iterator[str]:
    """Each way in which a finding breaks a promise."""
    if found.died:
        yield f"{case}: the child ended with {found.died}"
        return
    if not found.outside:
        yield f"{case}: something outside the workspace has changed"
    for verb, ended in found.verbs.items():
        for fault in verb_faults(case, verb, ended, untouched.verbs[verb], found.difference):
            text = (ended.err or ended.out).strip()
            yield f"{case}: {verb} gave {ended.code}: {fault}: {text[-500:]}"
    done = case.verb in found.verbs and found.verbs[case.verb].code == 0
    if done and "/" in case.file and found.difference != "unverified":
        for path in sorted({*found.outcome, *untouched.outcome}):
            mine = path == case.file and (found.difference != "same" or case.verb not in ("run", "train"))
            if found.outcome.get(path) != untouched.outcome.get(path) and not mine:
                yield f"{case}: done, but {path} is not what it is in the untouched workspace"


def verb_faults(case: Case, verb: str, ended: Ended, untouched: Ended, difference: Difference) -> Iterator[str]:
    """Faults in how one verb ended."""
    text = ended.out + ended.err
    if "Traceback" in text:
        yield "a traceback"
        return
    if acting := [hex(ord(c)) for c in text.replace("\n", "") if unicodedata.category(c) in ("Cc", "Cf", "Cs")]:
        yield f"{acting} act on a terminal"
    if verb == "ls" and "/" in case.file:
        if ended.code:
            yield "one bad file stops the list"
        elif others(ended, case.run) != others(untouched, case.run):
            yield f"other runs or stores are told otherwise, {others(ended, case.run)}"
        return
    if ended.code not in codes(case, verb, untouched.code, difference):
        yield f"not of {sorted(codes(case, verb, untouched.code, difference))}"
    if ended.code and verb != "verify":
        said = ended.err.removeprefix(OWN_CODE)
        if said.count("\n") != 1 or not said.startswith("Error: ") or len(said) > MAX_MESSAGE:
            yield "not one line of error"
        elif "/" in case.file and not any(word in ended.err for word in ("expected ", "found ", "Permission denied")):
            yield "neither what was expected nor what was found"
    if verb == "eval" and not ended.code and difference != "unverified" and ended.out != untouched.out:
        yield f"another result than {untouched.out}"


def codes(case: Case, verb: str, untouched: int, difference: Difference) -> set[int]:
    """The exit codes that a verb may end with."""
    read = goes_by(case, verb)
    if case.file == "dgkd.toml":
        return {0, 1, 2, 3, 10, 12, 13, 15}
    if ".writing/" in case.file or case.file.endswith(".lock"):
        # Whose lock it is cannot be told any more: nobody is taken for dead.
        return {untouched, 11, 15} | ({1} if case.change == "unreadable" else set())
    if case.change in UNSAFE:
        return {15} if read else {untouched, 15}
    if case.change in ("folder", "full_folder"):
        return {12, 15} if read else {untouched, 12, 15}
    if case.change == "unreadable":
        return {1} if read else {untouched, 1}
    if case.change == "hard_link":
        return {untouched, 15}
    if case.change == "missing":
        return {untouched, 3, 10, 12, 13}
    if case.change == "swapped" and verb == "info":
        return {untouched, 0, 12, 13}  # a sound card, of another run: the files beside it tell
    return {12, 13} if read and difference == "changed" else {untouched, 12, 13}


def goes_by(case: Case, verb: str) -> bool:
    """True where a verb goes by the file of a case."""
    if verb == "live" and case.run != "teacher":
        return False
    return Path(case.file).name in (BEGUN if case.begun else FINISHED).get(verb, ())


def others(ended: Ended, run: str) -> Any:
    """The part of `ls --json` on all other runs and the stores."""
    told = json.loads(ended.out)
    return [one for one in told["runs"] if one["name"] != run], told["stores"]
