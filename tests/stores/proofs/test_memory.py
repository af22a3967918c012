"""The measure of peak memory, which the tests of hostile files rely on, against allocations of a known size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.memory import HEAP

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")

TESTS = Path(__file__).parents[2]
MIB_64 = 64 * 1024 - 64  # less the pages that an array shares with what was there before
MEASURE = """
import mmap, sys
import numpy as np
from support.memory import anonymous_kib, give_back

{before}
give_back()
start = anonymous_kib()
{work}
print(anonymous_kib() - start)
"""


def grown_kib(work: str, tmp_path: Path, *, before: str = "") -> int:
    """The figure that a process of its own gives for `work`."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(work=work, before=before), str(tmp_path / "file")],
        capture_output=True,
        text=True,
        env=os.environ | HEAP | {"PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("first", "least", "most"), [("", 2**18, 2**19), ("go_on_in_a_child(); ", 0, 2**17)])
def test_a_program_starts_with_the_peak_of_who_started_it_unless_it_forks(first: str, least: int, most: int) -> None:
    program = (
        f"import resource; from support.memory import go_on_in_a_child; {first}"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    large = (
        f"import subprocess, sys; held = b'x' * 2**28; subprocess.run([sys.executable, '-c', {program!r}], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", large], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)}
    )
    assert done.returncode == 0, done.stderr
    assert least <= int(done.stdout) < most


def test_who_goes_on_in_a_child_ends_as_it_does() -> None:
    for end, code in (("sys.exit(7)", 7), ("os.abort()", -6)):
        program = f"import os, sys; from support.memory import go_on_in_a_child; go_on_in_a_child(); {end}"
        done = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(TESTS)})
        assert done.returncode == code


@pytest.mark.parametrize(
    "work",
    [
        "np.ones(2**26, dtype=np.uint8)",
        "bytes(b'x' * 2**26)",
        "[bytearray(2**20) for _ in range(64)]",
        "[object() for _ in range(2**21)]",
    ],
    ids=["one array", "one text", "many pieces", "small objects"],
)
def test_what_was_freed_again_is_seen(tmp_path: Path, work: str) -> None:
    assert MIB_64 <= grown_kib(f"{work}; np.ones(2**20)", tmp_path) < 2 * MIB_64


def test_only_the_peak_of_what_follows_one_another(tmp_path: Path) -> None:
    assert MIB_64 <= grown_kib("for _ in range(5): np.ones(2**26, dtype=np.uint8)", tmp_path) < MIB_64 + 1024


def test_what_was_freed_before_the_start_counts_again(tmp_path: Path) -> None:
    work = "np.ones(2**26, dtype=np.uint8)"
    assert MIB_64 <= grown_kib(work, tmp_path, before=f"{work}; keep = np.ones(1000); {work}") < MIB_64 + 1024


def test_pages_of_files_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2**26))
    read = "file = np.memmap(sys.argv[1], mode='r'); assert file[:: mmap.PAGESIZE].sum() == 0"
    assert grown_kib(read, tmp_path) < 1024
    private = read.replace("'r'", "'c'")
    assert grown_kib(private, tmp_path) < 1024
    assert grown_kib(f"{private}; file[:: mmap.PAGESIZE] = 1", tmp_path) >= MIB_64, "written to, they are copies"


def test_libraries_are_not_seen(tmp_path: Path) -> None:
    """Their code; what they allocate as they are loaded is theirs."""
    assert grown_kib("import numpy.random, numpy.fft, numpy.polynomial", tmp_path) < 16 * 1024


def test_what_is_reserved_and_not_touched_is_not_seen(tmp_path: Path) -> None:
    assert grown_kib("a = np.zeros(2**33, dtype=np.uint8); a[0] = 1", tmp_path) < 1024
