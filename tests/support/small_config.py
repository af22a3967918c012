"""The settings of a small chain, for the tests of dgkd.toml."""

from __future__ import annotations

import tomllib

from dgkd_cache.config.workspace_config import WorkspaceConfig, parse_config

__all__ = ["SMALL", "parsed"]

SMALL = """
[views]
transforms = ["crop(1)"]
[chain]
zeta = "plain6"
alpha = "plain4"
student = "plain2"
"""


def parsed(text: str) -> WorkspaceConfig:
    return parse_config(tomllib.loads(text), source="dgkd.toml")
