"""The report in a browser: Chromium, which this machine has or the tests are skipped, through Playwright."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.study_results import DRAWN, HOSTILE, PRUNED, made_results, made_timings, sweep

from dgkd_cache.report.files import write_report

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
LACKING = [
    *(["no Chromium on the PATH: install the system's package chromium"] if CHROMIUM is None else []),
    *(["no Playwright: pip install playwright"] if importlib.util.find_spec("playwright") is None else []),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason="; ".join(LACKING)),
    # Playwright leaves closing of its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

WIDTHS = {"phone": 390, "laptop": 1280}
SLOWEST_MS = 300_000
"""Milliseconds that a browser gets: its own limit, 30 seconds, is too short beside other programs."""
PAGE = "rgb(20, 23, 28)"
"""The ground of the dark theme, as a browser says it."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    variants = sweep() | {name: {"method": "kd", "lr": 0.1 + index} for index, name in enumerate(HOSTILE)}
    content = made_results(variants, epochs=30, names=[*HOSTILE, *HOSTILE[:2]])
    output = tmp_path_factory.mktemp("report") / "report.html"
    write_report(content, made_timings(content), output, source=output, command="dgkd-cache compare")
    return output


@pytest.fixture(scope="module")
def pruned_and_drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = made_results(PRUNED | DRAWN, seeds=[0, 1, 2])
    output = tmp_path_factory.mktemp("pruned") / "report.html"
    write_report(content, made_timings(content), output, source=output, command="dgkd-cache compare")
    return output


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page that is open, with all that it asked for and complained of."""

    def __init__(self, browser: Any, report: Path, width: int, theme: str, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, **context)
        self.context.set_default_timeout(SLOWEST_MS)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())

    def ground(self) -> str:
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_quiet_and_fits(browser: Any, report: Path, tmp_path: Path, width: str, theme: str) -> None:
    opened = Opened(browser, report, WIDTHS[width], theme)
    assert (opened.ground() == PAGE) == (theme == "dark")
    for details in opened.page.locator("details").all():
        details.evaluate("one => one.open = true")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    shown = opened.page.locator(".wide svg").first.is_visible()
    assert (shown, opened.page.locator(".narrow svg").first.is_visible()) == (width == "laptop", width == "phone")
    smallest = opened.page.evaluate(
        """Math.min(...[...document.querySelectorAll("svg[role=img] text")].filter(one => one.getClientRects().length)
           .map(one => one.ownerSVGElement)
           .map(svg => 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"""
    )
    assert smallest >= 9.5, "texts of figures can be read"
    picture = opened.page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    assert len(picture) > 50_000
    assert opened.said == [] and opened.requests == [report.as_uri()]
    opened.context.close()


@pytest.mark.parametrize("which", ["report", "pruned_and_drawn"])
@pytest.mark.parametrize("width", WIDTHS)
def test_texts_of_a_figure_do_not_overlap(browser: Any, request: pytest.FixtureRequest, width: str, which: str) -> None:
    opened = Opened(browser, request.getfixturevalue(which), WIDTHS[width], "light")
    found = opened.page.evaluate(
        """[...document.querySelectorAll("svg[role=img]")].flatMap(svg => {
          const boxes = [...svg.querySelectorAll("text")]
            .map(one => [one.firstChild.textContent, one.getBoundingClientRect()]).filter(([, box]) => box.width);
          return boxes.flatMap(([text, a], index) => boxes.slice(index + 1)
            .filter(([, b]) => a.left + 1 < b.right && b.left + 1 < a.right)
            .filter(([, b]) => a.top + 3 < b.bottom && b.top + 3 < a.bottom)
            .map(([other]) => `${svg.querySelector("title").textContent}: ${text} | ${other}`));
        })"""
    )
    assert found == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width] and opened.said == []
    opened.context.close()


def test_keys_reach_the_skip_link_the_toggle_and_the_data(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1280, "light")
    active = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
    reached = []
    for _ in range(40):
        opened.page.keyboard.press("Tab")
        reached.append(opened.page.evaluate(active))
        if reached[-1] == "SUMMARY":
            break
    assert reached[:2] == ["skip", "theme"] and reached[-1] == "SUMMARY"
    outline = opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is seen"
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.parentElement.open")
    opened.page.locator("#theme").focus()
    pressed = [opened.page.locator("#theme").get_attribute("aria-pressed")]
    for _ in range(2):
        opened.page.keyboard.press("Space")
        pressed.append(opened.page.locator("#theme").get_attribute("aria-pressed"))
        assert (opened.ground() == PAGE) == (pressed[-1] == "true")
    assert pressed == ["false", "true", "false"]
    opened.page.locator(".skip").focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate(active) == "main"
    assert opened.said == []
    opened.context.close()


def test_without_a_script_the_page_is_whole(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1280, "dark", java_script_enabled=False)
    assert opened.page.locator("#theme").is_hidden() and opened.page.locator("figure").count() == 11
    opened.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_prints_in_light_and_wide(browser: Any, report: Path, theme: str) -> None:
    opened = Opened(browser, report, 390, theme)
    opened.page.emulate_media(media="print", color_scheme=theme)
    assert opened.ground() == "rgb(255, 255, 255)"
    assert opened.page.locator(".wide svg").first.is_visible() and opened.page.locator("#theme").is_hidden()
    pdf = opened.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-") and pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 3
    assert opened.said == []
    opened.context.close()
