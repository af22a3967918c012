"""Models and checkpoints that strangers may send, opened in every way under an audit hook."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dgkd_cache.errors import DgkdError
from dgkd_cache.models.saved import load_model, load_weights
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.training.checkpoint import load_checkpoint, load_state, read_checkpoint, read_record

CARD = {
    "format": "dgkd-model-card",
    "version": 1,
    "name": "x",
    "architecture": "plain2",
    "channels": 1,
    "classes": ["a", "b"],
    "height": 8,
    "width": 8,
    "parameters": 6,
    "preprocess": {"mean": ["0"], "std": ["1"]},
    "dataset": {},
    "plan_digest": "",
    "views": {},
    "training": {},
    "weights_digest": "0" * 64,
}


class Evil:
    """Makes a folder when it is unpickled."""

    folder = ""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (self.folder,)


def contents() -> list[bytes]:
    """Returns contents of a file: pickles, torch's archives and numpy's with one inside, and lengths that lie."""
    evil = pickle.dumps(Evil())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("weights/data.pkl", evil)
    lying = [(8).to_bytes(8, "little") + b"{" * 8, (2**60).to_bytes(8, "little") + b"{}"]
    return [evil, archive.getvalue(), b"\x93NUMPY\x01\x00" + evil, b"", b"[" * 10**6, b'{"format": 1}', *lying]


def run(folder: Path) -> str:
    """The exit codes of the refusals, and what was unpickled; the audit hook stays."""
    Evil.folder = str(folder / "owned")
    card, weights = folder / "card.json", folder / "weights.safetensors"
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ways: list[Callable[[], object]] = [
        lambda: load_card(folder),
        lambda: load_model(folder),
        lambda: load_weights(model, folder),
        lambda: read_record(weights),
        lambda: load_state(weights, model),
        lambda: load_checkpoint(read_checkpoint(weights, model), model, optimizer, torch.device("cpu")),
    ]
    unpickled: list[str] = []
    codes = set()
    sys.addaudithook(lambda event, about: unpickled.append(str(about)) if event == "pickle.find_class" else None)
    for content in contents():
        for place in (card, weights):
            card.write_text(json.dumps(CARD))
            weights.write_bytes(b"")
            place.write_bytes(content)
            for way in ways:
                try:
                    way()
                except DgkdError as error:
                    codes.add(error.exit_code)
                    assert str(error).isprintable() and len(str(error)) < 5000, error
    assert not Path(Evil.folder).exists()
    return f"refused with {sorted(codes)}, unpickled {unpickled}"
