"""One load of `files.py` in a process of its own.

python -m benchmarks.files_child FOLDER HOLD_BYTES KEPT_FILES
"""

from __future__ import annotations

import sys

from benchmarks.files import child

if __name__ == "__main__":
    child(sys.argv[1:])
