"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks [--quick] [NAME ...]`.

Each writes its JSON into a folder (default: bench/), from which `python -m benchmarks.report --take bench` makes the
tables of docs/performance.md. One that fails is named at the end, and the others run all the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import NAMES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--into", type=Path, default=Path("bench"), help="folder for the JSON files (default: bench)")
    parser.add_argument("--quick", action="store_true", help="the smallest run that goes through everything")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}: one of {', '.join(NAMES)}")
    failed = []
    for name in options.names or NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(options.into / f"{name}.json")]
        started = time.perf_counter()
        done = subprocess.run(command + (["--quick"] if options.quick else []))
        print(f"\n{name}: {time.perf_counter() - started:.0f} s, exit code {done.returncode}\n", flush=True)
        failed += [name] if done.returncode else []
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
