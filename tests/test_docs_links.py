"""Dead links of the site: each kind that the strict build lets pass is planted, built and found."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINKS = ROOT / "docs" / "links.py"
IN_A_PAGE = """
![x](nosuch.svg) [x](../tests/nosuch.py) <a href="nosuch.html">x</a> <a href="library.html#nosuch">x</a>
[x](https://example.org/nosuch) <a href="library.html#the-pieces">x</a> ![x](idea.svg)
"""
IN_A_DOCSTRING = "[x](nosuch-docstring.html) [x](../format.html#nosuch) [x](../format.html) "


def built(root: Path) -> None:
    """Builds the site of a copy of the sources as `make docs` does."""
    for folder in ("docs", "examples", "stores", "dgkd_cache"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored, dirs_exist_ok=True)
    shutil.copy(ROOT / "mkdocs.yml", root)
    with (root / "docs" / "guide.md").open("a", encoding="utf-8") as page:
        page.write(IN_A_PAGE)
    source = root / "stores" / "dgkd_stores" / "checking" / "verify.py"
    before, after = source.read_text(encoding="utf-8").split("def verify(", 1)
    after = after.replace('"""', f'"""{IN_A_DOCSTRING}', 1)
    source.write_text(f"{before}def verify({after}", encoding="utf-8")
    subprocess.run([sys.executable, "docs/assemble.py"], cwd=root, check=True)
    command = [sys.executable, "-c", "from zensical.main import cli; cli()", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, f"the strict build sees one of these itself by now:\n{done.stdout}{done.stderr}"


def test_a_planted_dead_link_fails_although_the_strict_build_passes(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="needs the extra `docs`")
    built(tmp_path)
    done = subprocess.run([sys.executable, "docs/links.py", "build/site"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    first, *found = done.stderr.splitlines()
    assert first == "dead links of the site:"
    assert sorted((line.split(":")[0], line.split(": ", 1)[1]) for line in found) == [
        ("api/stores.html", "../format.html#nosuch: no such place in that page"),
        ("api/stores.html", "nosuch-docstring.html: no such file in the site"),
        ("guide.html", "../tests/nosuch.py: leads out of the site"),
        ("guide.html", "library.html#nosuch: no such place in that page"),
        ("guide.html", "nosuch.html: no such file in the site"),
        ("guide.html", "nosuch.svg: no such file in the site"),
    ]


def test_links_of_every_form_are_followed(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("links", LINKS)
    assert spec and spec.loader
    links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(links)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "index.html").write_text('<a name="old"></a><a href="../page.html#here">x</a>')
    (tmp_path / "a b.svg").write_text("<svg/>")
    (tmp_path / "page.html").write_text(
        '<h2 id="here">x</h2>\n'
        '<a href="">x</a><a href="#here">x</a><a href="api/">x</a><a href="api/index.html#old">x</a>\n'
        '<img src="a%20b.svg"><a href="/page.html?q=1">x</a><a href="//example.org/x">x</a><img src="data:,x">\n'
        '<img srcset="a%20b.svg 1x, gone.png 2x">\n'
        '<a href="#gone">x</a>\n'
        '<link href="gone.css">\n'
        '<script src="/gone.js"></script>\n'
        '<a href="file:///etc/passwd">x</a>\n'
    )
    assert [line.split(": ")[0] for line in links.dead_links(tmp_path)] == [f"page.html:{n}" for n in range(4, 9)]


def test_make_docs_looks_for_dead_links_in_what_it_has_built() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ndocs:")[1].split("\n\n")[0]
    assert recipe.index("zensical build --strict --clean\n") < recipe.index("docs/links.py build/site")
