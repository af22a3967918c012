"""`dgkd-cache dump` onto disks that are too small, as a command of its own each time; a script.

`python small_disk.py FOLDER`, with the right to mount and `tests` on PYTHONPATH, prints what it saw as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.tiny_chain import CONFIG, MODULE
from support.tmpfs import tmpfs

VIEWS = 40
SIZES = ("40k", "120k", "200k", "280k", "360k")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dgkd(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "dgkd_cli", "-q", *words, "--model", "teacher", "--device", "cpu"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chain = 'teacher = "plain2"\nstudent = "plain2"'
    (folder / "dgkd.toml").write_text(CONFIG.format(chain=chain).replace("count = 2", f"count = {VIEWS}"))
    (folder / "tiny_bars.py").write_text(MODULE)
    announced = "running your code: tiny_bars:bars from dgkd.toml\n"
    assert dgkd(folder, "train") == (0, announced)
    assert dgkd(folder, "dump") == (0, announced)
    (folder / "guides").rename(folder / "whole")
    reference = content(folder / "whole")
    seen = {"bytes": sum(map(len, reference.values())), "views finished": [], "exit codes": []}

    def dump() -> int:
        code, said = dgkd(folder, "dump")
        seen["exit codes"].append(code)
        assert code in (0, 14), said
        if code == 14:
            assert "no space left" in said and "run the same command again" in said
            assert {path.name for path in (folder / "guides").iterdir()} <= {"teacher.zarr"}
            seen["views finished"].append(len(list((folder / "guides").glob("teacher.zarr/digest/c.*"))))
        return code

    # A disk that is given more room again and again, then one that is given enough at once.
    for sizes in (SIZES, SIZES[2:3]):
        with tmpfs(folder / "guides", f"size={sizes[0]}") as remount:
            for size in sizes:
                remount(f"size={size}")
                assert dump() == 14
            remount("size=8m")
            assert dump() == 0
            assert content(folder / "guides") == reference, sizes
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
