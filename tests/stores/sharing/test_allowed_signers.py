"""Allowed signers files: every line is judged as the real ssh-keygen judges it, or refused."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, InvalidInput, Mismatch
from dgkd_stores.sharing.allowed_signers import matches, parse_allowed_signers
from dgkd_stores.sharing.signatures import check_signature, sign_store
from dgkd_stores.sharing.trust import TrustedKeys

NewKey = Callable[..., Path]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH2QYkv+nAsDJgxBkI/5HJtZS/fGqjanAraju/0TOw20"


def blob(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])


def stamp(days: float, *, form: str = "%Y%m%d%H%M%SZ") -> str:
    return time.strftime(form, time.gmtime(time.time() + 86400 * days))


LINES = {
    "plain": ("lab@example.org {key}", True),
    "comment after the key": ("lab@example.org {key} their key", True),
    "tabs": ("lab@example.org\t{key}", True),
    "another identity": ("guest@example.org {key}", False),
    "another key": ("lab@example.org {other}", False),
    "pattern": ("*@example.org {key}", True),
    "question mark": ("l?b@example.org {key}", True),
    "one letter too few": ("la?b@example.org {key}", False),
    "case matters": ("LAB@example.org {key}", False),
    "list": ("guest@example.org,lab@example.org {key}", True),
    "denied after": ("*@example.org,!lab@example.org {key}", False),
    "denied before": ("!lab@example.org,*@example.org {key}", False),
    "another is denied": ("!guest@example.org,*@example.org {key}", True),
    "namespace": ('lab@example.org namespaces="dgkd-seal@v1" {key}', True),
    "namespaces": ('lab@example.org namespaces="file,dgkd-*" {key}', True),
    "another namespace": ('lab@example.org namespaces="file,git" {key}', False),
    "namespace denied": ('lab@example.org namespaces="*,!dgkd-seal@v1" {key}', False),
    "keyword in capitals": ('lab@example.org NameSpaces="dgkd-seal@v1" {key}', True),
    "not yet": ('lab@example.org valid-after="{tomorrow}" {key}', False),
    "already": ('lab@example.org valid-after="{yesterday}" {key}', True),
    "expired": ('lab@example.org valid-before="{yesterday}" {key}', False),
    "not expired": ('lab@example.org valid-before="{tomorrow}" {key}', True),
    "date alone": ('lab@example.org valid-after="20200101",valid-before="20210101" {key}', False),
    "minutes": ('lab@example.org valid-after="202001010000",valid-before="299901010000Z" {key}', True),
    "expired, then allowed": ('lab@example.org valid-before="{yesterday}" {key}\n*@example.org {key}', True),
    "allowed below others": ("# a comment\n\n  \nguest@x {other}\r\nlab@example.org {key}\r\n", True),
    "three options": ('lab@example.org valid-after="{yesterday}",namespaces="*",valid-before="{tomorrow}" {key}', True),
    "authority": ("lab@example.org cert-authority {key}", False),
    "authority with a namespace": ('lab@example.org cert-authority,namespaces="*" {key}', False),
    "empty file": ("", False),
    "another type first": ("lab@example.org {rsa}\nlab@example.org {key}", True),
}


@pytest.mark.parametrize("name", LINES)
def test_ssh_keygen_gives_the_same_verdict(
    tmp_path: Path, new_key: NewKey, agrees: Callable[..., bool], name: str
) -> None:
    text, expected = LINES[name]
    SmallStore(views=1).write(store := tmp_path / "ta1.zarr")
    path = sign_store(store, new_key("lab"))
    keys = {"key": blob(new_key("lab")), "other": blob(new_key("other"))}
    keys["rsa"] = blob(new_key("lab-rsa", kind="rsa")) if "{rsa}" in text else ""
    text = text.format(**keys, tomorrow=stamp(1), yesterday=stamp(-1))
    assert agrees(path, text) is expected
    (file := tmp_path / "allowed").write_text(text)
    with GuideStore.open(store) as opened:
        try:
            check_signature(opened, TrustedKeys.read(allowed_signers=file, signer="lab@example.org"))
            found = True
        except Mismatch as error:
            assert error.exit_code == 13
            found = False
    assert found is expected


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Australia/Sydney"])
def test_a_time_without_z_is_local(tmp_path: Path, new_key: NewKey, agrees: Callable[..., bool], zone: str) -> None:
    """At any time of the year it is summer in one of the last two."""
    SmallStore(views=1).write(store := tmp_path / "ta1.zarr")
    path = sign_store(store, new_key("lab"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        try:
            for hours in (-3, -0.5, 0.5, 3):
                until = time.strftime("%Y%m%d%H%M", time.localtime(time.time() + 3600 * hours))
                text = f'lab@example.org valid-before="{until}" {blob(new_key("lab"))}'
                (line,) = parse_allowed_signers(text.encode(), source="allowed")
                valid = not line.refusal("", time.time())
                assert valid is agrees(path, text)
                assert valid is (hours > 0) or abs(hours) < 1
        finally:
            patched.undo()
            time.tzset()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("lab@example.org", "no key"),
        (KEY, "no key"),
        (f"lab@example.org no-touch-required {KEY}", "unknown option 'no-touch-required'"),
        (f'lab@example.org namespaces="a",verify-required {KEY}', "unknown option 'verify-required'"),
        (f"lab@example.org namespaces=file {KEY}", "options"),
        (f'lab@example.org namespaces="file {KEY}', "no key after"),
        (f'lab@example.org "file {KEY}', "a quote that does not end"),
        (f'lab@example.org namespaces="" {KEY}', "an empty namespaces"),
        (f"lab@example.org namespaces {KEY}", "a wrong use of the option 'namespaces'"),
        (f'lab@example.org cert-authority="x" {KEY}', "a wrong use"),
        (f'lab@example.org valid-before="20260101",valid-before="20270101" {KEY}', "a wrong use"),
        (f"lab@example.org cert-authority, {KEY}", "a wrong use"),
        (f'lab@example.org valid-before="tomorrow" {KEY}', "the time 'tomorrow'"),
        (f'lab@example.org valid-before="20261399" {KEY}', "the time '20261399': month"),
        (f'lab@example.org valid-after="20270101",valid-before="20260101" {KEY}', "valid-before that is not after"),
        ("lab@example.org ssh-ed25519 AAAA", "a part that is cut short"),
        ("lab@example.org ssh-ed25519 not/base64!", "not base64"),
        (f"lab@example.org ssh-foo {KEY.split()[1]}", "no key after 'ssh-foo'"),
        (f'"a lab" {KEY}', "principals in quotes"),
    ],
)
def test_a_line_that_is_not_understood_refuses_the_file(line: str, found: str) -> None:
    good = f"lab@example.org {KEY}"
    with pytest.raises(InvalidInput, match=r"^line 2 of allowed cannot be used: .*found ") as caught:
        parse_allowed_signers(f"{good}\n{line}\n".encode(), source="allowed")
    assert found in caught.value.found and caught.value.exit_code == 2


def test_a_line_that_is_not_utf8_refuses_the_file() -> None:
    with pytest.raises(InvalidInput, match="line 1 of allowed"):
        parse_allowed_signers(b"\xff " + KEY.encode(), source="allowed")


TOKENS = [
    "lab",
    "*",
    "!",
    ",",
    " ",
    '"',
    "\\",
    "=",
    "namespaces",
    "valid-before",
    "cert-authority",
    "20260101Z",
    KEY,
    "#",
]


@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=12))
def test_any_line_is_read_or_refused(parts: list[str]) -> None:
    with contextlib.suppress(InvalidInput):
        for line in parse_allowed_signers("".join(parts).encode(errors="replace"), source="allowed"):
            line.refusal("lab", 0.0)


@pytest.mark.parametrize("when", ["00010101", "99991231235959", "00010101Z"])
def test_distant_times_are_no_crash(when: str) -> None:
    with contextlib.suppress(InvalidInput):
        (line,) = parse_allowed_signers(f'lab valid-before="{when}" {KEY}'.encode(), source="allowed")
        assert (not line.refusal("", time.time())) is when.startswith("9999")


def test_a_long_pattern_list() -> None:
    assert matches("lab@example.org", ",".join(["*.net"] * 1000 + ["*@example.org"]))
    assert not matches("lab", "")


def test_the_error_names_the_line_and_its_reason(tmp_path: Path, new_key: NewKey) -> None:
    SmallStore(views=1).write(store := tmp_path / "ta1.zarr")
    sign_store(store, new_key("lab"))
    key = blob(new_key("lab"))
    (file := tmp_path / "allowed").write_text(
        f'*@example.org valid-before="20200101Z" {key}\nguest {key}\nlab cert-authority {key}\n'
    )
    with GuideStore.open(store) as opened, pytest.raises(Mismatch) as caught:
        check_signature(opened, TrustedKeys.read(allowed_signers=file, signer="lab@example.org"))
    assert "line 1 of the allowed signers has expired: it was valid before 2020-01-01 00:00:00 UTC" in str(caught.value)
    assert "line 2 of the allowed signers stands for guest, not for lab@example.org" in str(caught.value)
    assert "line 3 of the allowed signers is a certificate authority" in str(caught.value)
