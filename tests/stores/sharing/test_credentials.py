"""Credentials: AWS profiles as the AWS tools write them, and texts without any secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_stores import InvalidInput
from dgkd_stores.sharing.credentials import aws_settings, redacted

CREDENTIALS = """[default]
aws_access_key_id = one
aws_secret_access_key = 100%secret
[lab]
aws_access_key_id = two
aws_secret_access_key = deep
aws_session_token = token
[keyless]
region = us-west-2
"""
CONFIG = """[default]
region = eu-central-1
[profile lab]
region = eu-west-1
endpoint_url = https://s3.lab.example
[profile sso]
sso_session = x
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return tmp_path


def test_profiles(home: Path) -> None:
    assert aws_settings({}, home=home) == {
        "access_key_id": "one",
        "secret_access_key": "100%secret",
        "region": "eu-central-1",
    }
    assert aws_settings({"AWS_PROFILE": "lab"}, home=home) == {
        "access_key_id": "two",
        "secret_access_key": "deep",
        "session_token": "token",
        "region": "eu-west-1",
        "endpoint": "https://s3.lab.example",
    }


def test_the_environment_comes_first(home: Path) -> None:
    assert aws_settings({"AWS_ACCESS_KEY_ID": "x", "AWS_PROFILE": "lab"}, home=home) == {}
    given = {"AWS_PROFILE": "lab", "AWS_REGION": "r", "AWS_ENDPOINT_URL": "https://e"}
    assert not {"region", "endpoint"} & set(aws_settings(given, home=home))


def test_files_elsewhere_and_nowhere(home: Path, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("[default]\naws_access_key_id = k\naws_secret_access_key = s\n")
    given = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "c"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    assert aws_settings(given, home=home) == {"access_key_id": "k", "secret_access_key": "s"}
    assert aws_settings({}, home=tmp_path / "nobody") == {}


@pytest.mark.parametrize(
    ("profile", "words"), [("nosuch", "list-profiles"), ("sso", "export-credentials --profile sso")]
)
def test_a_profile_without_keys_is_refused(home: Path, profile: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        aws_settings({"AWS_PROFILE": profile}, home=home)


def test_a_broken_file_is_refused_without_its_text(home: Path) -> None:
    (home / ".aws" / "credentials").write_text("aws_secret_access_key = Tell-Tale\n")
    with pytest.raises(InvalidInput) as refused:
        aws_settings({}, home=home)
    assert "Tell-Tale" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "GET https://h/x?X-Amz-Signature=Tell-Tale&b=c failed",
        "GET https://user:Tell-Tale@h/x failed",
        "Authorization: Bearer Tell-Tale",
        "Credential=Tell-Tale, SignedHeaders=host",
        "the key Tell-Tale-Secret is wrong",
    ],
)
def test_redacted(text: str) -> None:
    assert "Tell-Tale" not in redacted(text, {"AWS_SECRET_ACCESS_KEY": "Tell-Tale-Secret", "HF_TOKEN": "", "LANG": "C"})


def test_what_is_no_secret_stays() -> None:
    text = "GET https://h/x/ta1.zarr in 3 ms - 404 Not Found"
    assert redacted(text, {"HOME": "/root", "AWS_SESSION_TOKEN": "ta1"}) == text
