"""Only public names of the stores are used outside them, and no import is hidden from the rules of the layers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.imports import deep_names, dynamic_imports, modules_imported

ROOT = Path(__file__).parent.parent
PRODUCT = ("dgkd_cache", "cli/dgkd_cli", "stores/dgkd_stores")
OUTSIDE = ("dgkd_cache", "cli", "benchmarks", "examples", "tests")
DEEPER = {
    "tests/cli/sharing_small_disk.py": {"dgkd_stores.format", "dgkd_stores.format.layout"},
    "tests/config/test_tables.py": {"dgkd_stores.coding.encodings", "dgkd_stores.coding.encodings.registry"},
    "tests/support/hint_sharing.py": {"dgkd_stores.sharing.folder.Folder"},
}
"""Tests that change the stores: smaller chunks, an encoding as CONTRIBUTING.md adds one, a place that is not listed."""


@pytest.mark.parametrize("place", OUTSIDE)
def test_only_public_names_of_the_stores_are_used(place: str) -> None:
    files = [path for path in sorted((ROOT / place).rglob("*.py")) if ROOT / "tests/stores" not in path.parents]
    assert len(files) > 1
    found = {str(path.relative_to(ROOT)): set(deep_names(path.read_text(encoding="utf-8"))) for path in files}
    for planted in ("tests/test_boundaries.py", "tests/test_docs_errors.py"):  # their texts break the rule
        found.pop(planted, None)
    assert {name: names for name, names in found.items() if names} == (DEEPER if place == "tests" else {})


@pytest.mark.parametrize("place", ["dgkd_cache", "cli"])
def test_a_container_is_handed_on_alone(place: str) -> None:
    """`GuideStore.container` goes to a `RowIndex`; what it has inside is the stores' own."""
    for path in sorted((ROOT / place).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                assert node.value.attr != "container", f"{path.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize("place", PRODUCT)
def test_no_module_is_imported_by_a_text(place: str) -> None:
    files = sorted((ROOT / place).rglob("*.py"))
    assert len(files) > 20
    found = {str(path.relative_to(ROOT)): dynamic_imports(path.read_text(encoding="utf-8")) for path in files}
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from dgkd_stores.reading.reader import GuideStore", "dgkd_stores.reading.reader.GuideStore"),
        ("from dgkd_stores import GuideStore, coding", "dgkd_stores.coding"),
        ("from dgkd_stores import coding as c", "dgkd_stores.coding"),
        ("from dgkd_stores import *", "dgkd_stores.*"),
        ("from dgkd_stores.disk import locks", "dgkd_stores.disk.locks"),
        ("from dgkd_stores.arguments import np", "dgkd_stores.arguments.np"),
        ("import dgkd_stores.reading.reader", "dgkd_stores.reading.reader"),
        ("import dgkd_stores.reading.reader as x", "dgkd_stores.reading.reader"),
        ("def f():\n    import numpy, dgkd_stores.reading as x", "dgkd_stores.reading"),
        ("import dgkd_stores\ndgkd_stores.reading.reader.GuideStore", "dgkd_stores.reading"),
        ("import dgkd_stores.disk\ndgkd_stores.disk.locks.sweep()", "dgkd_stores.disk.locks"),
        ("import dgkd_stores.disk as d\nd.locks", "dgkd_stores.disk.locks"),
        ("from dgkd_stores import disk as d\nd.locks", "dgkd_stores.disk.locks"),
        ('importlib.import_module("dgkd_stores.checking.scan")', "dgkd_stores.checking.scan"),
        ('import_module(name="dgkd_stores.checking.scan")', "dgkd_stores.checking.scan"),
        ('__import__("dgkd_stores.checking.scan")', "dgkd_stores.checking.scan"),
        ('CODE = """\n    import dgkd_stores.reading.ring\n"""', "dgkd_stores.reading.ring"),
    ],
)
def test_a_name_that_is_not_public_is_found(source: str, found: str) -> None:
    assert deep_names(source) == [found]


@pytest.mark.parametrize(
    "source",
    [
        "from dgkd_stores import GuideStore, verify as check",
        "from dgkd_stores.disk import ViewLock\nfrom dgkd_stores.arguments import require_kind",
        "from dgkd_stores import arguments, disk\narguments.require_kind\ndisk.ViewLock.folder",
        "import dgkd_stores as stores, dgkd_stores.disk\nstores.GuideStore.open\ndgkd_stores.disk.ViewLock",
        "import dgkd_stores\nprint(dgkd_stores.__file__)",
        '"The names are imported from dgkd_stores.reading alone."',
    ],
)
def test_a_public_name_is_not_found(source: str) -> None:
    assert deep_names(source) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('importlib.import_module("torch")', ["torch"]),
        ('__import__("torch")', ["torch"]),
        ('sys.modules["dgkd_cache.guides.bank"]', ["dgkd_cache.guides.bank"]),
        ('NAME = "dgkd_stores.checking.scan"\nimport_module(NAME)', ["dgkd_stores.checking.scan"]),
        ("importlib.import_module(name)\nprint('see dgkd_cache.guides.bank')", []),
        ('logging.getLogger("dgkd_cache.datasets")', []),
    ],
)
def test_a_module_that_a_text_names_is_found(source: str, found: list[str]) -> None:
    assert dynamic_imports(source) == found


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("import dgkd_cache as w\nw.GuideWriter", "dgkd_cache"),
        ("import dgkd_stores as w\nw.GuideStore", "dgkd_stores"),
        ("import dgkd_stores.reading.reader", "dgkd_stores"),
        ("def f():\n    from ..dump import writer", "dgkd_cache"),
    ],
)
def test_an_import_that_hides_a_room_is_refused(source: str, package: str) -> None:
    with pytest.raises(AssertionError, match=r"write `from MODULE import NAME`|modules are named in full"):
        modules_imported(source, package)


def test_a_room_is_seen_by_any_other_import() -> None:
    source = "from dgkd_cache import GuideWriter, dump\nif x:\n    from dgkd_cache.guides.bank import GuideBank as B"
    assert modules_imported(source, "dgkd_cache") == {
        "dgkd_cache.GuideWriter",  # no room of that name: refused
        "dgkd_cache.dump",
        "dgkd_cache.guides.bank.GuideBank",
    }
