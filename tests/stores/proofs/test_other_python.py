"""The format under a newer Zarr than ours, in another Python, where there is one; where there is none, that is said.

The environment variable DGKD_OTHER_PYTHON names an interpreter; without it those on the path are asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zarr

ROOT = Path(__file__).parents[3]
NEEDS = ("numpy", "zarr", "h5py", "cachetools", "lazy_loader", "pytest", "hypothesis")
ON_THE_PATH = ("python3.14", "python3.13", "python3.12")
TESTS = ("test_format", "test_page", "test_independent", "test_fixtures", "test_other_libraries")

ASK = f"""
import importlib, json, sys
versions = {{name: importlib.import_module(name).__version__ for name in {NEEDS!r}}}
print(json.dumps({{"python": sys.version.split()[0], **versions}}))
"""


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())


def asked(python: str) -> dict[str, str] | str:
    """The versions of what the tests need, or in words why it cannot run them."""
    if shutil.which(python) is None:
        return "not there"
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, env=environment(), timeout=120)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed"]
        return lines[-1] if "Error" in lines[-1] else lines[0]
    found: dict[str, str] = json.loads(done.stdout)
    return found


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "stores"), "OMP_NUM_THREADS": "1"}


def chosen() -> tuple[str, dict[str, str]]:
    """An interpreter with a newer Zarr than this one's, or the one that was named; else a skip that says so."""
    named = os.environ.get("DGKD_OTHER_PYTHON")
    told = []
    for python in [named] if named else ON_THE_PATH:
        found = asked(python)
        if isinstance(found, dict) and (named or numbers(found["zarr"]) > numbers(zarr.__version__)):
            return python, found
        told.append(f"{python}: {found if isinstance(found, str) else 'zarr ' + found['zarr']}")
    here = f"zarr {zarr.__version__} on Python {sys.version.split()[0]}"
    pytest.skip(
        f"NOT TRIED: the format under a newer Zarr. Tried here: {here}. Wanted: a Python with a newer zarr, and with "
        f"{', '.join(NEEDS)}. Found: {'; '.join(told)}. Name one in DGKD_OTHER_PYTHON."
    )


@pytest.mark.slow
def test_the_format_under_a_newer_zarr(record_property: Any) -> None:
    python, versions = chosen()
    record_property("versions", json.dumps(versions))
    files = [str(Path(__file__).with_name(f"{name}.py")) for name in TESTS]
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--confcutdir",
        str(Path(__file__).parents[1]),
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=900)
    assert done.returncode == 0, f"{versions}\n{done.stdout[-4000:]}\n{done.stderr[-1000:]}"
    assert " passed" in done.stdout and " failed" not in done.stdout
    print(f"{versions}: {done.stdout.strip().splitlines()[-1]}")
