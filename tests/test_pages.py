"""The pages: tables that are rendered whole, links that lead somewhere, files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), ROOT / "stores" / "FORMAT.md"]


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_row_of_a_table_is_one_line_with_the_columns_of_its_head(page: Path) -> None:
    columns = 0
    for line in prose(page).splitlines():
        assert line.startswith("|") == line.endswith("|"), line
        found = re.sub(r"`[^`]*`", "", line).replace("\\|", "").count("|") if line.startswith("|") else 0
        assert not columns or not found or found == columns, line
        columns = found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        file, _, anchor = target.partition("#")
        if not target.startswith("https://"):
            assert (page.parent / file).is_file() or not file, target
            assert not anchor or anchor in anchors(page.parent / file if file else page), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_files_that_are_named_with_their_folder_are_there(page: Path) -> None:
    rooms = [ROOT, *(ROOT / name for name in ("docs", "dgkd_cache", "stores/dgkd_stores", "stores/dgkd_stores/coding"))]
    for path in re.findall(r"`(?:[^`]*\s)?((?:\w+/)+\w+\.(?:py|md|sbatch))\b[^`]*`", prose(page)):
        assert any((room / path).is_file() for room in rooms), path
