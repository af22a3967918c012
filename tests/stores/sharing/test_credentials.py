"""Credentials: AWS profiles as the AWS tools write them, and texts without any secret."""

from __future__ import annotations

import os
import re
import subprocess
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
[both]
aws_access_key_id = four
aws_secret_access_key = deepest
"""
CONFIG = """[default]
region = eu-central-1
[profile lab]
region = eu-west-1
endpoint_url = https://s3.lab.example
[profile sso]
sso_session = x
[profile local]
endpoint_url = https://all.example
services = here
aws_access_key_id = three
aws_secret_access_key = deeper
aws_session_token = of these
[profile both]
region = eu-north-1
aws_access_key_id = five
aws_secret_access_key = of config
aws_session_token = of config
[services here]
ec2 =
  endpoint_url = https://ec2.example
s3 =
  addressing_style = path
  endpoint_url = https://s3.example
"""

FILES = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
AWS = """#!/bin/sh
# Answers as the AWS CLI does, by its documentation of `configure export-credentials`.
test "$*" = "configure export-credentials --profile sso --format env" || exit 2
echo export AWS_ACCESS_KEY_ID=ASIASSO
echo export AWS_SECRET_ACCESS_KEY=deep/+sso
echo export AWS_SESSION_TOKEN=token==
echo export AWS_CREDENTIAL_EXPIRATION=2030-01-01T00:00:00+00:00
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


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_PROFILE": "lab"},
        {"AWS_PROFILE": "local"},
        {"AWS_PROFILE": "both"},
        {"AWS_PROFILE": "lab", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"},
        {"AWS_PROFILE": "local", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_SESSION_TOKEN": "z"},
        {"AWS_PROFILE": "keyless", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"},
        {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"},
        {"AWS_PROFILE": "lab", "AWS_DEFAULT_REGION": "r"},
        {"AWS_PROFILE": "lab", "AWS_ENDPOINT_URL": "https://given.example"},
        {"AWS_PROFILE": "local", "AWS_ENDPOINT_URL": "https://given.example"},
        {
            "AWS_PROFILE": "local",
            "AWS_ENDPOINT_URL_S3": "https://one.example",
            "AWS_ENDPOINT_URL": "https://all.example",
        },
    ],
)
def test_the_settings_are_those_of_botocore(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """botocore is what the AWS CLI and boto3 resolve them with; the environment's own part is obstore's to read."""
    session = pytest.importorskip("botocore.session", reason="SKIPPED: no botocore here, to compare the settings with")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    files = {name: str(home / ".aws" / file) for name, file in FILES.items()}
    for name, value in {**files, **variables}.items():
        monkeypatch.setenv(name, value)
    theirs = session.Session()
    client = theirs.create_client("s3", region_name=None if theirs.get_config_variable("region") else "nowhere")
    keys, region, endpoint = theirs.get_credentials(), client.meta.region_name, client.meta.endpoint_url
    expected = {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "session_token": keys.token,
        "region": None if region == "nowhere" else region,
        "endpoint": None if endpoint.endswith("amazonaws.com") else endpoint,
    }
    found = dict.fromkeys(expected, "") | aws_settings({**files, **variables}, home=Path("nowhere"))
    of_obstore = {
        "access_key_id": ("AWS_ACCESS_KEY_ID",),
        "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "session_token": ("AWS_SESSION_TOKEN",),
        "region": ("AWS_DEFAULT_REGION",),
        "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    }
    for key, names in of_obstore.items():
        given = next((variables[name] for name in names if name in variables), "")
        assert not (given and found[key]), f"both would give {key}"
        assert (found[key] or given or None) == expected[key], key


def test_the_environment_comes_first_for_each_setting(home: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_PROFILE": "lab"}
    assert aws_settings(keys, home=home) == {"region": "eu-west-1", "endpoint": "https://s3.lab.example"}
    given = {"AWS_PROFILE": "lab", "AWS_REGION": "r", "AWS_ENDPOINT_URL_S3": "https://e"}
    assert set(aws_settings(given, home=home)) == {"access_key_id", "secret_access_key", "session_token"}
    with pytest.raises(InvalidInput, match="no AWS profile 'nosuch'"):
        aws_settings({"AWS_ACCESS_KEY_ID": "x", "AWS_PROFILE": "nosuch"}, home=home)


def test_a_public_bucket_needs_no_keys_of_a_profile(home: Path) -> None:
    given = {"AWS_PROFILE": "keyless", "AWS_SKIP_SIGNATURE": "true"}
    assert aws_settings(given, home=home) == {"region": "us-west-2"}


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


def test_the_command_for_a_profile_without_keys_gives_its_keys(home: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "aws").write_text(AWS)
    (tools / "aws").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "AWS_PROFILE": "sso"}
    with pytest.raises(InvalidInput) as refused:
        aws_settings(environment, home=home)
    command = re.findall("`(.*)`", refused.value.do)[0]
    said = subprocess.run(["bash", "-c", f"{command}; env -0"], env=environment, capture_output=True, check=True).stdout
    after = dict(one.split("=", 1) for one in said.decode().split("\0") if one)
    assert aws_settings(after, home=home) == {}
    assert [after.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")] == [
        "ASIASSO",
        "deep/+sso",
        "token==",
    ]


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


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SSE_CUSTOMER_KEY_BASE64"),
        *("AZURE_CLIENT_SECRET", "AZURE_ENCRYPTION_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        *("AZURE_STORAGE_MASTER_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN"),
        *("GOOGLE_BEARER_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY", "HF_TOKEN"),
    ],
)
def test_the_value_of_every_variable_with_a_secret_is_hidden(name: str) -> None:
    assert redacted("it said Tell-Tale-9 is wrong", {name: "Tell-Tale-9"}) == "it said *** is wrong"


def test_what_is_no_secret_stays() -> None:
    text = "GET https://h/x/ta1.zarr in 3 ms - 404 Not Found"
    assert redacted(text, {"HOME": "/root", "AWS_SESSION_TOKEN": "ta1"}) == text
