"""Trusted keys: read from lines and files, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dgkd_stores import InvalidInput, Mismatch
from dgkd_stores.sharing.trust import TrustedKeys

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH2QYkv+nAsDJgxBkI/5HJtZS/fGqjanAraju/0TOw20"
RAW = bytes.fromhex("7d90624bfe9c0b03260c41908ff91c9b594bf7c6aa36a702b6a3bbfd133b0db4")


def test_a_key_is_a_line_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.pub").write_text(f"{LINE} the lab\n")
    for key, folder in ((LINE + " the lab", Path()), ("lab.pub", tmp_path), (tmp_path / "lab.pub", Path("nowhere"))):
        trusted = TrustedKeys.read(keys=[key], folder=folder)
        assert trusted.require(RAW, of="x") == "the lab"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert TrustedKeys.read(keys=["~/lab.pub"], folder=Path("nowhere")).require(RAW, of="x") == "the lab"
    fingerprint = "SHA256:BawkxKXJ110VkcpVS7p+egprqTZPPE/rC9UEOcsnsEk"  # ssh-keygen -l printed it
    assert TrustedKeys.read(keys=[LINE]).require(RAW, of="x") == fingerprint


def test_the_clock_decides(tmp_path: Path) -> None:
    (file := tmp_path / "allowed").write_text(f'lab valid-after="20260101Z",valid-before="20270101Z" {LINE}\n')
    allowed = TrustedKeys.read(allowed_signers=file).allowed
    for second, counts in ((1767225599, False), (1767225600, True), (1798761600, True), (1798761601, False)):
        trusted = TrustedKeys(allowed=allowed, clock=lambda second=second: second)  # type: ignore[misc]  # a default binds it
        if counts:
            assert trusted.require(RAW, of="x") == "lab"
        else:
            with pytest.raises(Mismatch, match="is valid after|has expired"):
                trusted.require(RAW, of="x")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "no key is named"),
        ({"keys": [LINE], "signer": "lab"}, "the signer 'lab' cannot be told"),
        ({"keys": ["nowhere.pub"]}, "no key at nowhere.pub"),
        ({"keys": ["."]}, "no key at"),
        ({"keys": ["ssh-ed25519 AAAA"]}, "a trusted key cannot be used"),
        ({"keys": LINE}, "'keys'"),
        ({"keys": [3]}, "'keys'"),
        ({"allowed_signers": 3}, "'allowed_signers'"),
        ({"allowed_signers": "nowhere"}, "nowhere cannot be read"),
        ({"keys": [LINE], "signer": None}, "'signer'"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        TrustedKeys.read(**given)  # type: ignore[arg-type]  # wrong on purpose


def test_a_private_key_is_refused(new_key: Callable[..., Path]) -> None:
    with pytest.raises(InvalidInput, match="is a private key: expected a public key; give the public one"):
        TrustedKeys.read(keys=[new_key("lab")])


def test_the_error_says_who_is_trusted(tmp_path: Path) -> None:
    (file := tmp_path / "allowed").write_text(f"lab@example.org {LINE}\n")
    with pytest.raises(Mismatch, match=r"^it is not by a key .*a signature by SHA256:\S+ \(lab@example.org\), found"):
        TrustedKeys.read(allowed_signers=file).require(b"x" * 32, of="it")
    file.write_text("")
    with pytest.raises(Mismatch, match="the allowed signers file has no key"):
        TrustedKeys.read(allowed_signers=file).require(b"x" * 32, of="it")


def test_a_trusted_key_that_is_missing_comes_from_the_lab(tmp_path: Path) -> None:
    (tmp_path / "broken.pub").write_text("ssh-ed25519 AAAA")
    for name in ("lab.pub", "broken.pub"):
        with pytest.raises(InvalidInput, match=rf"{name}.*ask the lab for its public key") as refused:
            TrustedKeys.read(keys=[name], folder=tmp_path)
        assert "-t ed25519" not in str(refused.value)
