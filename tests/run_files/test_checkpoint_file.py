"""A checkpoint as a file: its digest by its description, and what is refused before any tensor is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dgkd_cache.errors import Damaged, UnsafeStore
from dgkd_cache.run_files.checkpoint_file import check_checkpoint, metadata_of, read_record

TEXT = json.dumps({"record": {"step": 3}, "optimizer_scalars": {}})
TENSORS_DIGEST = "ab" * 32


def written(path: Path, metadata: dict[str, str]) -> Path:
    save_file({"a": torch.ones(2)}, path, metadata=metadata)
    return path


def test_the_digest_is_of_the_record_a_zero_byte_and_the_tensors_digest() -> None:
    digest = hashlib.sha256(TEXT.encode() + b"\0" + TENSORS_DIGEST.encode()).hexdigest()
    assert metadata_of(TEXT, TENSORS_DIGEST) == {"dgkd": TEXT, "digest": digest}


def test_the_record_is_read_and_a_digest_that_is_not_of_it_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "c", metadata_of(TEXT, TENSORS_DIGEST))
    assert read_record(path) == {"step": 3}
    check_checkpoint(path, full=False)
    with pytest.raises(Damaged, match="has changed since it was written: expected content of SHA-256"):
        check_checkpoint(path)
    check_checkpoint(written(tmp_path / "older", {"dgkd": TEXT}))


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"other": "x"}, "metadata other"),
        ({"dgkd": TEXT, "more": "x"}, "metadata"),
        ({"dgkd": "[]"}, "JSON object"),
        ({"dgkd": '{"record": {}}'}, "another record"),
        ({"dgkd": '{"record": 1, "optimizer_scalars": {}}'}, "another record"),
    ],
)
def test_what_is_no_checkpoint_is_damage(tmp_path: Path, metadata: dict[str, str], found: str) -> None:
    with pytest.raises(Damaged, match=found) as caught:
        read_record(written(tmp_path / "c", metadata))
    assert caught.value.exit_code == 12


def test_a_file_that_is_gone_is_damage_and_a_link_is_unsafe(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="found no such file"):
        check_checkpoint(tmp_path / "c")
    written(tmp_path / "real", metadata_of(TEXT, TENSORS_DIGEST))
    (tmp_path / "c").symlink_to("real")
    with pytest.raises(UnsafeStore):
        check_checkpoint(tmp_path / "c")
