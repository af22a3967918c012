"""Finds credentials where each service's own tools do, and keeps them out of every message.

obstore reads the environment variables of AWS, Google and Azure, Google's application default credentials, and the
roles of cloud machines; huggingface_hub reads HF_TOKEN and its own login. AWS profiles are read here.
Source: the AWS SDKs and Tools Reference Guide, "Shared config and credentials files", "Service-specific endpoints".
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from dgkd_stores.errors import InvalidInput

__all__ = ["aws_settings", "redacted"]

_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSWORD|(ACCESS|ACCOUNT|API|MASTER|ENCRYPTION|CUSTOMER)_KEY|SAS|CREDENTIAL", re.IGNORECASE
)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")
_USER = re.compile(r"(https?://)[^\s/@]+@")
_HEADER = re.compile(r"(?i)\b(authorization:?|bearer|credential=|signature=)\s*(?:(?:bearer|basic)\s+)?[^\s,\"'<>]+")
_SHORTEST_SECRET = 6
"""A shorter value of a variable is not looked for: it would be found in the middle of words."""

_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def aws_settings(environment: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Returns the settings of an S3 client that obstore does not find itself, by obstore's names.

    These are keys, region and endpoint of the profile AWS_PROFILE (default: `default`), each where the environment has
    none, as in the AWS tools: keys in the environment change neither the region nor the endpoint of a profile. Raises
    InvalidInput if AWS_PROFILE is set and there is no such profile, or if keys are needed and it has none.
    """
    name = environment.get("AWS_PROFILE", "")
    profile = _profile(environment, home, name or "default")
    if name and profile is None:
        raise InvalidInput(
            f"no AWS profile {name!r}",
            expected="a profile in ~/.aws/credentials or ~/.aws/config",
            found="none of that name",
            do="`aws configure list-profiles` lists them",
        )
    found, settings = profile or {}, dict[str, str]()
    if not environment.get("AWS_ACCESS_KEY_ID"):
        settings = {key.removeprefix("aws_"): found[key] for key in _KEYS if key in found}
        unsigned = environment.get("AWS_SKIP_SIGNATURE", "").lower() == "true"
        if name and "secret_access_key" not in settings and not unsigned:
            raise InvalidInput(
                f"the AWS profile {name!r} has no keys of its own",
                expected="aws_access_key_id and aws_secret_access_key",
                found=", ".join(sorted(found)) or "an empty section",
                do=f'run `eval "$(aws configure export-credentials --profile {quote(name)} --format env)"` first',
            )
    for key, variables in (("region", _REGIONS), ("endpoint_url", _ENDPOINTS)):
        if key in found and not any(environment.get(variable) for variable in variables):
            settings[key.removesuffix("_url")] = found[key]
    return settings


def redacted(text: str, environment: Mapping[str, str]) -> str:
    """Returns a text of another library without what could be a credential.

    Removed are queries of URLs, users in URLs, authorization headers, and the values of all variables of `environment`
    that a name such as AWS_SECRET_ACCESS_KEY or HF_TOKEN marks as secret.
    """
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    text = _USER.sub(r"\1***@", _QUERY.sub(r"\1?***", text))
    return _HEADER.sub(r"\1 ***", text)


def _profile(environment: Mapping[str, str], home: Path, profile: str) -> dict[str, str] | None:
    """Returns the settings of a profile, those of `credentials` before those of `config`; None if neither has it.

    The keys are those of one file. An endpoint for S3 alone, in the section `services`, comes before one for all.
    """
    config = _read(Path(environment.get("AWS_CONFIG_FILE") or home / ".aws" / "config"))
    credentials = _read(Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"))
    places = ((config, profile if profile == "default" else f"profile {profile}"), (credentials, profile))
    sections = [dict(parser[name]) for parser, name in places if parser.has_section(name)]
    if not sections:
        return None
    found = dict[str, str]()
    for section in sections:
        if "aws_access_key_id" in section:
            found = {key: value for key, value in found.items() if key not in _KEYS}
        found |= section
    # A nested table is to configparser one value of several lines.
    for line in config.get(f"services {found.get('services', '')}", "s3", fallback="").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "endpoint_url":
            found["endpoint_url"] = value.strip()
    return found


def _read(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} cannot be read",
            expected="sections of settings, as the AWS tools write them",
            found=type(error).__name__,
        ) from None  # the error's text has the line, which may hold a key
    return parser
