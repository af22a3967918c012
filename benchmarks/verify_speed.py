"""How fast a store is verified, beside what it costs at least: SHA-256 of every chunk, file by file.

    python benchmarks/verify_speed.py [--views 20] [--samples 50000] [--classes 100] [--rounds 7]

Writes a raw store of random logits in each encoding to a temporary folder, and times both on it in turn, from the page
cache, so that a machine whose speed drifts slows both. Prints the medians.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dgkd_stores import (
    DatasetIdentity,
    GuideIdentity,
    GuideStoreWriter,
    IdentityArrays,
    StoreHeader,
    canonical_json,
    default_digest_rows,
    encoding_names,
    sha256_hex,
    verify,
)
from dgkd_stores.coding.encodings import encoding_named


def write(path: Path, name: str, views: int, samples: int, classes: int) -> None:
    """A store whose views all hold the same random logits."""
    dataset = DatasetIdentity(
        name="random",
        split="train",
        classes=tuple(map(str, range(classes))),
        samples=samples,
        test_samples=0,
        digest="0" * 64,
        sample_digest="pixels",
    )
    guide = GuideIdentity(
        name="guide", architecture="", parameters=0, weights_digest="0" * 64, accuracy="", training={}, guides={}
    )
    header = StoreHeader(
        dataset=dataset,
        plan={},
        plan_digest=sha256_hex(canonical_json({})),
        first_view=0,
        views=views,
        guide=guide,
        encoding=name,
        fidelity={"kl": "0", "top1": "1", "rows": 0},
        temperature="4",
        digest_rows=default_digest_rows(encoding_named(name).row_bytes(classes)),
        probe="sha256",
        compute={"batch": 512},
        licence="",
    )
    identity = IdentityArrays(
        label_N=np.zeros(samples, np.int64),
        sample_digest_N16=np.zeros((samples, 16), np.uint8),
        view_digest_V32=np.zeros((views, 32), np.uint8),
        probe=np.zeros((64, 32), np.uint8),
        test_logits_MC=np.zeros((0, classes), np.float32),
        test_label_M=np.zeros(0, np.int64),
        test_sample_digest_M16=np.zeros((0, 16), np.uint8),
    )
    logits_NC = np.random.default_rng(0).normal(size=(samples, classes)).astype(np.float32)
    with GuideStoreWriter(path, header, identity) as writer:
        for slot in writer.missing():
            writer.write(slot, logits_NC[slot.start : slot.stop])
        writer.seal()


def hash_all(files: list[Path]) -> None:
    for file in files:
        hashlib.sha256(file.read_bytes())


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    for option, default in (("views", 20), ("samples", 50_000), ("classes", 100), ("rounds", 7)):
        parser.add_argument(f"--{option}", type=int, default=default)
    given = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, {given.rounds} rounds")
    for name in encoding_names():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "guide.zarr"
            write(path, name, given.views, given.samples, given.classes)
            files = list(path.rglob("c.*"))
            nbytes = sum(file.stat().st_size for file in files)
            hashing, checking = [], []
            for _ in range(given.rounds):
                hashing.append(seconds(partial(hash_all, files)))
                checking.append(seconds(partial(verify, path, full=True)))
            quick = seconds(partial(verify, path))
            hashed, checked = statistics.median(hashing), statistics.median(checking)
            print(
                f"{name}: {nbytes / 1e6:.0f} MB; SHA-256 alone {nbytes / 1e6 / hashed:.0f} MB/s, verify --full "
                f"{nbytes / 1e6 / checked:.0f} MB/s ({hashed / checked:.0%}), verify {quick * 1e3:.0f} ms"
            )


if __name__ == "__main__":
    main()
