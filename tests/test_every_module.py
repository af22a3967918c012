"""Every module has a test file of its name, in the folder of tests that its room has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {"dgkd_cache": "tests", "stores/dgkd_stores": "tests/stores", "cli/dgkd_cli": "tests/cli"}

CODING = "stores/dgkd_stores/coding"
CODECS, ENCODINGS = "tests/stores/coding/test_codecs.py", "tests/stores/coding/test_encodings.py"
TESTED_ELSEWHERE = {
    # What all codecs hold to, and all encodings, is tested in one file each, over their names.
    **{f"{CODING}/codecs/{name}.py": CODECS for name in ("abc", "blosc", "none", "zstd")},
    **{f"{CODING}/encodings/{name}.py": ENCODINGS for name in ("abc", "float16", "float32", "registry")},
    # These have a file of their own, beside those.
    f"{CODING}/codecs/deflate.py": "tests/stores/coding/test_deflate.py",
    f"{CODING}/encodings/factored.py": "tests/stores/coding/test_factored.py",
    f"{CODING}/encodings/topk.py": "tests/stores/coding/test_topk.py",
    f"{CODING}/encodings/uint8.py": "tests/stores/coding/test_uint8.py",
}
"""Modules without a file of their name, and the file that tests them."""


def file_of(module: Path) -> Path:
    """The test file that the name of a module asks for; `import_` is called so only because `import` is a keyword."""
    package = next(place for place in PLACES if module.is_relative_to(ROOT / place))
    room = module.relative_to(ROOT / package).parent
    return ROOT / PLACES[package] / room / f"test_{module.stem.rstrip('_')}.py"


@pytest.mark.parametrize("place", PLACES)
def test_every_module_has_tests_in_a_file_of_its_name(place: str) -> None:
    modules = [path for path in sorted((ROOT / place).rglob("*.py")) if not path.stem.startswith("__")]
    assert len(modules) > 20
    lacking = {str(path.relative_to(ROOT)) for path in modules if not has_tests(file_of(path))}
    assert lacking == {name for name in TESTED_ELSEWHERE if name.startswith(f"{place}/")}


def test_the_files_named_instead_have_tests() -> None:
    assert all(has_tests(ROOT / file) for file in TESTED_ELSEWHERE.values())


def has_tests(file: Path) -> bool:
    """Returns True if pytest finds a test in a file: a function, or a class with a method or a base, of such a name."""
    if not file.is_file():
        return False
    body = ast.parse(file.read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    body += [node for each in classes for node in each.body]
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return bool(functions or any(each.bases for each in classes))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_it():\n    pass", True),
        ("class TestIt:\n    def test_it(self):\n        pass", True),
        ("class TestIt(StoreTests):\n    codec = None", True),
        ("class TestIt:\n    codec = None", False),
        ("def helper():\n    def test_it():\n        pass", False),
        ("# def test_it():", False),
        ("class StoreTests:\n    def test_it(self):\n        pass", False),
    ],
)
def test_has_tests(tmp_path: Path, source: str, found: bool) -> None:
    (tmp_path / "test_it.py").write_text(source)
    assert has_tests(tmp_path / "test_it.py") is found
