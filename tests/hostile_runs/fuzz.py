"""Fuzzing of run files guided by coverage; a script, for Linux with atheris installed.

    python tests/hostile_runs/fuzz.py card -max_total_time=300

The targets are card, inputs, metrics, weights and checkpoint; options are libFuzzer's. It starts from good files,
changes them by their structure (`fuzz_inputs.py`), stops at the first input that breaks a promise (`fuzz_targets.py`),
leaving it as `crash-...`, and prints last what came of the inputs. It loads no torch.
"""

from __future__ import annotations

import atexit
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.memory import go_on_in_a_child

if __name__ == "__main__":
    go_on_in_a_child()  # libFuzzer's limit on memory is on `ru_maxrss`

import atheris

with atheris.instrument_imports(include=["dgkd_cache", "dgkd_stores"]):
    from hostile_runs.fuzz_targets import OUTCOMES, TARGETS, fuzz

from hostile_runs.fuzz_inputs import GOOD, changed

EVERY = 1000


def start(target: str, folder: Path) -> None:
    (folder / "seeds").mkdir()
    (folder / "seeds" / "good").write_bytes(GOOD[target])

    def change(data: bytes, most: int, seed: int) -> bytes:
        if random.Random(seed).randrange(8) == 0:
            return bytes(atheris.Mutate(data, most))
        return changed(target, data, seed)[:most]

    def run(data: bytes) -> None:
        fuzz(target, folder, data)
        if OUTCOMES.total() % EVERY == 0:
            say()

    options = [sys.argv[0], *sys.argv[2:], "-max_len=8192", "-timeout=20", "-rss_limit_mb=1024", str(folder / "seeds")]
    atheris.Setup(options, run, custom_mutator=change)
    atheris.Fuzz()


def say() -> None:
    """The outcomes so far: libFuzzer ends the process and tells Python nothing."""
    assert "torch" not in sys.modules
    print(OUTCOMES.total(), dict(OUTCOMES.most_common()), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in TARGETS:
        sys.exit(f"which target: {', '.join(TARGETS)}")
    with tempfile.TemporaryDirectory() as made:
        atexit.register(say)
        start(sys.argv[1], Path(made))
