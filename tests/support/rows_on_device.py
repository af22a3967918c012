"""Prints, as JSON, what a bank gives on a device and on the CPU: `rows_on_device.py DEVICE STORE ...`."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from dgkd_cache import Dropping, GuideBank, load_dataset
from dgkd_stores import GuideStore


def main(device: str, *stores: str) -> None:
    images = load_dataset("tiny_bars:bars").train
    reads: list[int] = []
    original = GuideStore.gather_rows

    def counted(self: GuideStore, *arguments: Any) -> Any:
        reads.append(1)
        return original(self, *arguments)

    GuideStore.gather_rows = counted  # type: ignore[method-assign]
    found: dict[str, Any] = {"reads": {}}
    for name, place, keep in (("cpu", "cpu", False), ("streamed", device, False), ("resident", device, True)):
        reads.clear()
        digest, kept = hashlib.sha256(), 0
        with GuideBank(list(stores), images, device=place, keep_on_device=keep) as bank:
            for batch in bank.loader(batch_size=20, epochs=3, dropping=Dropping(keep=0.5)):
                for tensor in (batch.pixels, batch.labels, batch.softened):
                    digest.update(tensor.cpu().numpy().tobytes())
                kept += int(batch.kept.sum())
            found |= {"device": str(batch.softened.device), "kept": kept, "views": len(bank.views)}
        found["reads"][name], found[name] = len(reads), digest.hexdigest()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
