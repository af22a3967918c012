"""A store can be read where there is no torch: what importing the package loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_what_importing_loads() -> None:
    names = "[name.split('.')[0] for name in sys.modules]"
    code = f"import json, sys, dgkd_stores; dgkd_stores.GuideStore; print(json.dumps({names}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "numpy" in loaded and "dgkd_stores" in loaded
    assert not loaded & {
        "torch",
        "torchvision",
        "pydantic",
        "dgkd_cache",
        "dgkd_cli",
        "click",
        "rich",
        "pickle5",
        "h5py",
        "zarr",
    }


def test_only_writing_an_hdf5_file_loads_h5py(tmp_path: Path) -> None:
    code = """
import sys
from stores.support.small_store import SmallStore
from dgkd_stores import GuideStore, convert, verify
SmallStore().write("a.zarr")
convert("a.zarr", "b.zarr", codec="zstd")
assert not {"h5py", "zarr"} & set(sys.modules)
if sys.argv[1:]:
    assert verify("a.h5", full=True).exit_code == 0
    convert("a.h5", "c.zarr")
    with GuideStore.open("a.h5") as store:
        store.gather([0], [0])
    assert not {"h5py", "zarr"} & set(sys.modules)
else:
    convert("a.zarr", "a.h5")
    assert "h5py" in sys.modules and "zarr" not in sys.modules
"""
    paths = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    for number, words in enumerate(([], ["read"])):
        (folder := tmp_path / str(number)).mkdir()
        if words:
            (tmp_path / "0" / "a.h5").rename(folder / "a.h5")
        command = [sys.executable, "-c", code, *words]
        subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, check=True)
