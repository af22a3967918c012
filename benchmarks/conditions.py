"""Under which conditions a benchmark ran: machine, versions, threads, commit, and how busy the machine was."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from dgkd_cache.device.allocator import describe_freed_memory
from dgkd_cache.device.device import choose
from dgkd_cache.device.environment import describe
from dgkd_cache.device.openmp import describe_waiting

__all__ = ["conditions"]

ROOT = Path(__file__).resolve().parent.parent


def conditions(device: torch.device) -> dict[str, Any]:
    """The conditions of a measurement: machine, versions, commit and load."""
    chosen = choose(device)
    found = describe(device, chosen.precision)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        **({"device": found["device"]} if device.type != "cpu" else {}),
        "capability": found["capability"],
        "precision": chosen.precision,
        "channels_last": str(chosen.channels_last).lower(),
        "threads": torch.get_num_threads(),
        "waits": describe_waiting(os.environ),
        "freed memory": describe_freed_memory(os.environ),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "Python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "numpy", "zarr")},
        "commit": _commit(),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    """The model's name and numbers: several generations may share the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in reversed(lines))
    found = {key.strip(): value.strip() for key, _, value in pairs}
    name = found.get("model name", platform.machine())
    numbers = [f"{key} {found[key]}" for key in ("cpu family", "model") if key in found]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def _commit() -> str:
    """Short name of the commit, with a plus where the tree has changes; `unknown` outside a repository."""
    try:
        head, changes = (
            subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (
                ["rev-parse", "--short", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "--", "*.py"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes else "")
