"""The documentation site: every public name has a full entry, and the examples of the API's pages run."""

from __future__ import annotations

import doctest
import importlib.util
import re
import shutil
from pathlib import Path
from unittest import mock

import pytest

import dgkd_cache
import dgkd_stores
from dgkd_cache.datasets.registry import _REGISTERED  # noqa: PLC2701 - to leave it as it was
from dgkd_cache.models.registry import MODELS

ROOT = Path(__file__).parent.parent
API = sorted((ROOT / "docs" / "api").glob("*.md"))
STORE = ROOT / "tests" / "stores" / "fixtures" / "v1" / "float16.zarr"


def load_assemble():
    pytest.importorskip("griffe", reason="needs the extra `docs`")
    spec = importlib.util.spec_from_file_location("assemble", ROOT / "docs" / "assemble.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def session(page: Path) -> str:
    """All examples of a page as one session, at their lines of the page."""
    text, inside = list[str](), False
    for line in page.read_text(encoding="utf-8").splitlines():
        inside = line == "```pycon" if not inside else line != "```"
        text.append(line if inside and line != "```pycon" else "")
    return "\n".join(text) + "\n"


@pytest.mark.parametrize("page", API, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if page.stem in ("errors", "stores", "writing"):
        shutil.copytree(STORE, "ta1.zarr")
    examples = doctest.DocTestParser().get_doctest(session(page), {}, page.stem, str(page), 0)
    assert examples.examples or page.stem == "index"
    said = list[str]()
    with mock.patch.dict(MODELS), mock.patch.dict(_REGISTERED):  # what an example registers is gone after it
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=said.append).failed
    assert not failed, "".join(said)


def test_every_public_name_has_a_docstring_an_entry_and_an_example() -> None:
    assemble = load_assemble()
    listed = assemble.public_names()
    assert set(listed["dgkd_stores"]) == set(dgkd_stores.__all__)
    assert set(listed["dgkd_cache"]) == set(dgkd_cache.__all__) - set(dgkd_stores.__all__)
    assert assemble.gaps() == []
    named = {f"{package}.{name}" for package, names in listed.items() for name in names}
    assert set(assemble.entries()) == named, "an entry of a name that is not public"


def test_a_name_without_docstring_entry_or_example_is_a_gap(tmp_path: Path) -> None:
    assemble = load_assemble()
    for package, folder in assemble.PACKAGES.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text('"""A package."""\n')
        names = "from .things import one as one, two as two\n" if package == "dgkd_stores" else ""
        (tmp_path / folder / "__init__.pyi").write_text(names)
        (tmp_path / folder / "things.py").write_text('def one():\n    """Does it."""\ndef two():\n    ...\n')
    (tmp_path / "docs" / "api").mkdir(parents=True)
    page = tmp_path / "docs" / "api" / "page.md"
    page.write_text("::: dgkd_stores.two\n\n```pycon\n>>> print(2)\n2\n```\n")
    found = [line.split(" (")[0] for line in assemble.gaps(tmp_path)]
    no_entry = "dgkd_stores.one: no entry `::: dgkd_stores.one` in docs/api/"
    assert found == [no_entry, "dgkd_stores.two: no docstring", "dgkd_stores.two: no example"]


def test_the_assembled_pages_link_within_the_site(tmp_path: Path) -> None:
    load_assemble().assemble(tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.md"))
    assert {"format.md", "examples.md", "idea.svg"} <= {path.name for path in (tmp_path / "site").rglob("*")}
    for page in pages:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", text):
            assert target.startswith("https://") or (page.parent / target).is_file(), (page.name, target)
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1].split("\nmarkdown_extensions:")[0]
    assert set(re.findall(r"[\w/-]+\.md", nav)) == {str(page.relative_to(tmp_path / "site")) for page in pages}
