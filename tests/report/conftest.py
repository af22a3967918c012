"""Results of made-up studies, and their pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from support.markup import read_page
from support.study_results import made_results, made_timings, sweep

from dgkd_cache.report.page import make_page
from dgkd_cache.report.palette import Style, styles
from dgkd_cache.report.results_file import Results, as_results


@pytest.fixture(scope="session")
def content() -> dict[str, Any]:
    """Twelve variants, five seeds, thirty epochs, as results.json has them."""
    return made_results(sweep(), epochs=30)


@pytest.fixture(scope="session")
def results(content: dict[str, Any]) -> Results:
    return as_results(content, Path("results.json"))


@pytest.fixture(scope="session")
def style(results: Results) -> dict[str, Style]:
    return styles(results.order, results.reference)


@pytest.fixture(scope="session")
def page_text(content: dict[str, Any], results: Results) -> str:
    return make_page(
        results,
        made_timings(content),
        verdict="Dense guidance helps.",
        title="plain2 on digits",
        command="dgkd-cache compare --seeds 5",
        version="1.2.3",
    )


@pytest.fixture(scope="session")
def page(page_text: str) -> Element:
    return read_page(page_text)
