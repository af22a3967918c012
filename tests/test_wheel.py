"""The wheel holds the three packages, typed, and nothing else at top level."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return zipfile.ZipFile(wheel).namelist()


def test_top_level(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dgkd_cache", "dgkd_cli", "dgkd_stores"}


def test_every_module_is_in_it(names: list[str]) -> None:
    for package, folder in (("dgkd_cache", ROOT), ("dgkd_cli", ROOT / "cli"), ("dgkd_stores", ROOT / "stores")):
        files = {str(path.relative_to(folder)) for path in (folder / package).rglob("*.py")}
        assert files and files <= set(names)
        data = {str(path.relative_to(folder)) for path in (folder / package).rglob("*.toml")}
        assert data <= set(names) and bool(data) == (package == "dgkd_cache"), "the recipes"
        assert f"{package}/py.typed" in names
        assert f"{package}/__init__.pyi" in names or package == "dgkd_cli"  # the public names and their types


def test_the_templates_of_the_report_are_in_it(names: list[str]) -> None:
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "dgkd_cache" / "report" / "templates").iterdir()}
    assert len(files) == 4 and files <= set(names)


def test_the_command_and_the_licence(names: list[str]) -> None:
    assert any(name.endswith("entry_points.txt") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
