"""Finds credentials where each service's own tools do, and keeps them out of every message.

obstore reads the environment variables of AWS, Google and Azure, Google's application default credentials, and the
roles of cloud machines; huggingface_hub reads HF_TOKEN and its own login. AWS profiles are read here.
Source: the AWS documentation, "Configuration and credential file settings".
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path

from dgkd_stores.errors import InvalidInput

__all__ = ["aws_settings", "redacted"]

_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|ACCOUNT_KEY|API_KEY|SAS|CREDENTIAL", re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")
_USER = re.compile(r"(https?://)[^\s/@]+@")
_HEADER = re.compile(r"(?i)\b(authorization:?|bearer|credential=|signature=)\s*(?:(?:bearer|basic)\s+)?[^\s,\"'<>]+")
_SHORTEST_SECRET = 6
"""A shorter value of a variable is not looked for: it would be found in the middle of words."""

_FROM_PROFILE = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def aws_settings(environment: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Returns the settings of an S3 client that obstore does not find itself, by obstore's names.

    These are keys, region and endpoint of the profile AWS_PROFILE (default: `default`), where the environment has no
    keys. Raises InvalidInput if AWS_PROFILE is set and there is no such profile, or one without keys.
    """
    if environment.get("AWS_ACCESS_KEY_ID"):
        return {}
    profile = environment.get("AWS_PROFILE", "")
    found = _profile(environment, home, profile or "default")
    if profile and not found:
        raise InvalidInput(
            f"no AWS profile {profile!r}",
            expected="a profile in ~/.aws/credentials or ~/.aws/config",
            found="none of that name",
            do="`aws configure list-profiles` lists them",
        )
    keys = {name: found[name] for name in _FROM_PROFILE if name in found}
    if profile and "aws_secret_access_key" not in keys:
        raise InvalidInput(
            f"the AWS profile {profile!r} has no keys of its own",
            expected="aws_access_key_id and aws_secret_access_key",
            found=", ".join(sorted(found)),
            do=f'run `eval "$(aws configure export-credentials --profile {profile} --format env)"` first',
        )
    settings = {name.removeprefix("aws_"): value for name, value in keys.items()}
    for name, variables in (("region", ("AWS_REGION", "AWS_DEFAULT_REGION")), ("endpoint_url", ("AWS_ENDPOINT_URL",))):
        if name in found and not any(environment.get(variable) for variable in variables):
            settings[name.removesuffix("_url")] = found[name]
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


def _profile(environment: Mapping[str, str], home: Path, profile: str) -> dict[str, str]:
    """Returns the settings of a profile, those of `credentials` before those of `config`."""
    found = dict[str, str]()
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile),
    ):
        path = Path(environment.get(variable) or home / ".aws" / file)
        parser = configparser.ConfigParser(interpolation=None, default_section="\0")
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"{path} cannot be read",
                expected="sections of settings, as the AWS tools write them",
                found=type(error).__name__,
            ) from None  # the error's text has the line, which may hold a key
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found
