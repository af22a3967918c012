"""`dgkd-cache push` and `pull` onto a disk of a few megabytes, as commands of their own each time; a script.

`python sharing_small_disk.py FOLDER`, with the right to mount and `tests` on PYTHONPATH, prints what it saw as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stores.support.small_store import SmallStore, tree
from support.tmpfs import tmpfs

import dgkd_stores.format.layout
from dgkd_stores import verify

SIZES = ("500k", "2m", "4m")


def dgkd(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "dgkd_cli", "-q", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def main(folder: Path) -> None:
    dgkd_stores.format.layout.ONE_CHUNK_BYTES = dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 100_000
    store, place, disk = folder / "a.zarr", folder / "place", folder / "disk"
    SmallStore(samples=10_000, views=7, classes=20).write(store)
    assert dgkd("push", str(store), str(place)) == (0, "")
    seen: dict[str, list[int]] = {"bytes": [sum(len(data or b"") for data in tree(store).values())]}
    for verb, words in (("push", (str(store), str(disk))), ("pull", (str(place), str(disk)))):
        codes = seen[verb] = []
        with tmpfs(disk, f"size={SIZES[0]}") as remount:
            for size in SIZES:
                remount(f"size={size}")
                code, said = dgkd(verb, *words)
                codes.append(code)
                assert "no space left" in said and "run the same command again" in said, said
                assert not (disk / "a.zarr" / "zarr.json").exists()
            remount("size=32m")
            code, said = dgkd(verb, *words)
            assert code == 0, said
            codes.append(code)
            assert tree(disk / "a.zarr") == tree(store) and verify(disk / "a.zarr", full=True).exit_code == 0
            assert not [one.name for one in disk.iterdir() if one.name not in ("a.zarr", "README.md", "croissant.json")]
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
