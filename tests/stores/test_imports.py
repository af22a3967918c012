"""A store can be read where there is no torch: what importing the package loads."""

from __future__ import annotations

import json
import subprocess
import sys


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
    }
