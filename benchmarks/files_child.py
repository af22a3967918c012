"""One load of a folder for `files.py`, in a process of its own: prints seconds, the most memory, and files read.

python -m benchmarks.files_child FOLDER HOLD_BYTES KEPT_FILES
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Stopwatch
from dgkd_cache.datasets import indexing
from dgkd_cache.datasets.folder import FolderImages


def main(given: Sequence[str]) -> None:
    folder, hold, keeps = given
    indexing._KEPT_FILES = min(indexing._KEPT_FILES, int(keeps))
    own, read = indexing._read, itertools.count()

    def reading(path: Path) -> Any:
        next(read)
        return own(path)

    indexing._read = reading
    stopwatch = Stopwatch()
    images = FolderImages(Path(folder), name="files", split="train", hold_bytes=int(hold))
    # Mean and deviation are part of loading a data set, and are computed here where the images are held.
    assert len(images.digest) == 64 and (hold == "0" or len(images.constants()) == 2)
    nbytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": float(stopwatch.span()), "bytes": nbytes, "read": next(read)}))


if __name__ == "__main__":
    main(sys.argv[1:])
