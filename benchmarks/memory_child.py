"""One run of `memory.py` in a process of its own.

python -m benchmarks.memory_child STORE|- VIEWS SAMPLES CLASSES STEPS PRECISION CHANNELS_LAST
"""

from __future__ import annotations

import sys

from benchmarks.memory import child

if __name__ == "__main__":
    child(sys.argv[1:])
