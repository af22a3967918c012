"""The commits of a publication: as many as their size asks for, and rows that do not fit end it."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores.support.fake_hub import TOKEN, fake_hub

from dgkd_stores import Damaged, push
from dgkd_stores.sharing import hub_publication

pytest.importorskip(
    "huggingface_hub", reason="SKIPPED: no huggingface_hub here; `pip install 'dgkd-cache[hf]'` gets it"
)


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
def test_commits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_publication, "BATCH_FILES", 10)
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        file = path / "logits" / "c.2.3.0"
        right = file.read_bytes()
        file.write_bytes(bytes(len(right)))
        with pytest.raises(Damaged):
            push(path, "hf://lab/ta1")
        assert 1 < len(hub.commits) < 5 and "a.zarr/zarr.json" not in hub.commits[-1]
        file.write_bytes(right)
        found = push(path, "hf://lab/ta1")
        assert hub.messages[-1] == f"a.zarr, seal {found.seal}" and found.sent_files < found.files
