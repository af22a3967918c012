"""Errors in the docs: every public call names those that its source raises, and the check finds one that does not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ERRORS = """
class DgkdError(Exception): ...
class InvalidInput(DgkdError, ValueError): ...
class UnknownName(InvalidInput): ...
class Damaged(DgkdError): ...
"""
ARGUMENTS = """
from dgkd_stores.errors import InvalidInput
def require(value):
    if not value:
        raise refusal()
def refusal():
    return InvalidInput("no")
"""
CALLS = '''
from dgkd_stores.arguments import require
from dgkd_stores.elsewhere import read
from dgkd_stores.errors import Damaged, UnknownName
def one(value):
    """{one}"""
    _look(value)
def _look(value):
    raise Damaged("broken")
class Two:
    """{two}"""
    def __init__(self, value):
        require(value)
    def method(self, name):
        """{method}"""
        self._find(name)
    def _find(self, name):
        raise UnknownName(name)
    @property
    def part(self):
        """{part}"""
        return self._find("part")
    def calls_others(self):
        """Names nothing: public calls name their own errors, and other files are not followed."""
        return self.method("x"), one(1), read()
    def _private(self):
        raise Damaged("broken")
'''
WHOLE = {
    "one": "Does it. Raises Damaged.",
    "two": "A thing. Raises InvalidInput.",
    "method": "Finds it. Raises InvalidInput for a name that is not known.",
    "part": "The part. Raises as `Two.method`.",
}


def unnamed(root: Path, **docstrings: str) -> list[str]:
    spec = importlib.util.spec_from_file_location("raised_errors", ROOT / "docs" / "raised_errors.py")
    assert spec and spec.loader
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    if not docstrings:
        found: list[str] = check.unnamed_errors()
        return found
    stores, cache = root / "stores" / "dgkd_stores", root / "dgkd_cache"
    for folder in (stores, cache):
        folder.mkdir(parents=True)
    (stores / "errors.py").write_text(ERRORS)
    (stores / "arguments.py").write_text(ARGUMENTS)
    (stores / "elsewhere.py").write_text('from dgkd_stores.errors import Damaged\ndef read():\n    raise Damaged("")\n')
    (stores / "calls.py").write_text(CALLS.format(**WHOLE | docstrings))
    (stores / "__init__.pyi").write_text(
        "from .calls import Two as Two, one as one\nfrom .errors import Damaged as Damaged\n"
    )
    (cache / "__init__.pyi").write_text("from .guides import Two as Two\n")
    (cache / "guides.py").write_text("from dgkd_stores import Two\n")
    return list(check.unnamed_errors(root))


def test_every_public_call_names_the_errors_of_its_own_source(tmp_path: Path) -> None:
    assert unnamed(tmp_path) == []


@pytest.mark.parametrize(
    ("docstrings", "expected"),
    [
        ({"one": WHOLE["one"]}, ""),
        ({"one": "Does it. Raises DgkdError."}, ""),
        ({"one": "Does it."}, "dgkd_stores.one: raises Damaged,"),
        ({"one": "Does what is Damaged."}, "dgkd_stores.one: raises Damaged,"),
        ({"one": "Does it. Raises InvalidInput."}, "dgkd_stores.one: raises Damaged,"),
        ({"two": "A thing."}, "dgkd_stores.Two: raises InvalidInput,"),
        ({"method": "Finds it. Raises Damaged."}, "dgkd_stores.Two.method: raises UnknownName,"),
        ({"part": "The part."}, "dgkd_stores.Two.part: raises UnknownName,"),
    ],
)
def test_an_error_that_is_not_named_is_found(docstrings: dict[str, str], expected: str, tmp_path: Path) -> None:
    found = unnamed(tmp_path, **docstrings)
    assert [line.split(" which")[0] for line in found] == ([expected] if expected else [])
