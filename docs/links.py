"""Finds dead links in the built site: each page, picture, style sheet and place that a page names is in the site.

The strict build reads the links of pages only; this reads the HTML, so it sees pictures, links written as HTML and the
links of docstrings too. A path that leaves the site is dead: the site is served without the repository. Addresses on
the network are not tried, because the check needs none. `make docs` runs this after Zensical.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["dead_links"]

_LINKING = ("href", "src", "data", "poster", "xlink:href")
_SCHEMES = ("https", "http", "mailto", "data")


class _Page(HTMLParser):
    """The links of one page, with their lines, and the places in it that a link can name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.places = list[tuple[int, str]](), {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        self.links += [(self.getpos()[0], given[name]) for name in _LINKING if name in given]
        self.links += [(self.getpos()[0], one.split()[0]) for one in given.get("srcset", "").split(",") if one.split()]


def dead_links(site: Path) -> list[str]:
    """Returns the dead links of the site in the folder `site`, a line each: page, line, link and what is wrong."""
    site = site.resolve()
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site)}:{line}: {link}: {wrong}"
        for path, page in pages.items()
        for line, link in page.links
        if (wrong := _wrong(link, path, site, pages))
    ]


def _wrong(link: str, path: Path, site: Path, pages: dict[Path, _Page]) -> str:
    """Returns what is wrong with a link of the page `path`, or ""."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return "" if parts.scheme in _SCHEMES or parts.netloc else f"no address of the kinds {', '.join(_SCHEMES)}"
    target = path
    if parts.path:
        start = site if parts.path.startswith("/") else path.parent
        target = (start / unquote(parts.path).lstrip("/")).resolve()
    if not target.is_relative_to(site):
        return "leads out of the site"
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "no such file in the site"
    if target in pages and unquote(parts.fragment) not in pages[target].places:
        return "no such place in that page"
    return ""


if __name__ == "__main__":
    if dead := dead_links(Path(sys.argv[1])):
        sys.exit("\n".join(["dead links of the site:", *dead]))
