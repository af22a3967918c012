"""Which signature a store must have, by options of verify, and the exit code where it has another."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.ssh_keys import key_pair

from dgkd_stores import sign_store

Command = Callable[..., Result]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    return {name: key_pair(tmp_path / "keys", name)[1] for name in ("lab", "other")}


@pytest.fixture
def signed(guides: Path, keys: dict[str, Path]) -> Path:
    """The workspace's stores; the lab has signed ta1, and somebody else ta2."""
    sign_store(guides / "ta1.zarr", keys["lab"].with_suffix(""))
    sign_store(guides / "ta2.zarr", keys["other"].with_suffix(""))
    return guides


def test_without_keys_a_line_says_whether_it_is_signed(command: Command, signed: Path) -> None:
    result = command("-q", "verify")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and len(lines) == 3
    assert lines[0].endswith(", unsigned") and lines[1].endswith("not checked (`verify --key` does)")
    printed = json.loads(command("-q", "verify", "--json").stdout)
    assert [one["signature"]["checked"] for one in printed] == [False] * 3
    assert printed[0]["signature"]["note"] == "unsigned"


def test_with_a_key_each_store_must_be_signed_by_it(command: Command, signed: Path, keys: dict[str, Path]) -> None:
    result = command("-q", "verify", "--key", str(keys["lab"]))
    assert result.exit_code == 13
    lines = result.stdout.splitlines()
    refused = {line.split(":")[0]: line for line in lines if ": refused: " in line}
    assert set(refused) == {"teacher", "ta2"} and len(lines) == 5
    assert "is not signed, and keys are required" in refused["teacher"]
    assert "is not by a key that is trusted here" in refused["ta2"]
    assert command("-q", "verify", "ta1", "--key", str(keys["lab"])).exit_code == 0
    both = command("-q", "verify", "ta1", "ta2", "--key", str(keys["lab"]), "--key", keys["other"].read_text())
    assert both.exit_code == 0 and "signed by other@example.org" in both.stdout
    printed = json.loads(command("-q", "verify", "--key", str(keys["lab"]), "--json").stdout)
    assert [(one["exit_code"], one["signature"]["signer"]) for one in printed] == [
        (13, None),
        (0, "lab@example.org"),
        (13, None),
    ]


def test_with_allowed_signers(command: Command, signed: Path, keys: dict[str, Path], tmp_path: Path) -> None:
    key = " ".join(keys["lab"].read_text().split()[:2])
    allowed = tmp_path / "allowed"

    def code(line: str, *words: str) -> int:
        allowed.write_text(line)
        return command("-q", "verify", "ta1", "--allowed-signers", str(allowed), *words).exit_code

    assert code(f"lab@example.org {key}") == code(f"lab@example.org {key}", "--signer", "lab@example.org") == 0
    assert code(f"lab@example.org {key}", "--signer", "guest@example.org") == 13
    assert code(f'lab@example.org valid-before="20200101Z" {key}') == 13
    assert code(f'lab@example.org namespaces="file" {key}') == 13
    assert code(f"lab@example.org no-such-option {key}") == 2


def test_only_a_required_key_needs_the_extra(
    command: Command, signed: Path, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for words in (["verify"], ["info", "ta1"], ["card", "ta1"], ["sign", "teacher", "--statement"]):
        assert command("-q", *words).exit_code == 0
    for words in (["verify", "ta1", "--key", str(keys["lab"])], ["sign", "teacher", "--key", str(keys["lab"])[:-4]]):
        result = command("-q", *words)
        assert result.exit_code == 2 and 'pip install "dgkd-cache[share]"' in result.output


def test_a_damaged_seal_comes_before_its_signature(command: Command, signed: Path, keys: dict[str, Path]) -> None:
    label = signed / "ta1.zarr" / "label" / "c.0"
    label.write_bytes(bytes([label.read_bytes()[0] ^ 1]) + label.read_bytes()[1:])
    assert command("-q", "verify", "ta1", "--key", str(keys["lab"])).exit_code == 12


def test_a_store_that_takes_the_place_of_a_signed_one(command: Command, signed: Path, keys: dict[str, Path]) -> None:
    shutil.rmtree(signed / "ta1.zarr")
    shutil.copytree(signed / "teacher.zarr", signed / "ta1.zarr")
    result = command("-q", "verify", "ta1", "--key", str(keys["lab"]))
    assert result.exit_code == 13 and "is the signature of another store" in result.stdout
    assert "unsigned: the signature beside it is of another store" in command("-q", "verify", "ta1").stdout


def test_options_that_cannot_be_used(command: Command, guides: Path, tmp_path: Path) -> None:
    assert command("verify", "ta1", "--signer", "lab").exit_code == 2
    assert command("verify", "ta1", "--key", "nowhere.pub").exit_code == 2
    assert command("verify", "ta1", "--allowed-signers", "nowhere").exit_code == 2
