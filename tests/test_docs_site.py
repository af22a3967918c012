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


def load(name: str):
    pytest.importorskip("griffe", reason="needs the extra `docs`")
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
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
    if page.stem == "sharing" and shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed (Debian: openssh-client)")
    if page.stem in ("errors", "stores", "writing", "sharing"):
        shutil.copytree(STORE, "ta1.zarr")
    examples = doctest.DocTestParser().get_doctest(session(page), {}, page.stem, str(page), 0)
    assert examples.examples or page.stem == "index"
    said = list[str]()
    with mock.patch.dict(MODELS), mock.patch.dict(_REGISTERED):  # what an example registers is gone after it
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=said.append).failed
    assert not failed, "".join(said)


def test_every_public_name_has_docstrings_an_entry_and_an_example() -> None:
    api = load("api_gaps")
    listed = api.public_names()
    assert set(listed["dgkd_stores"]) == set(dgkd_stores.__all__)
    assert set(listed["dgkd_cache"]) == set(dgkd_cache.__all__) - set(dgkd_stores.__all__)
    assert api.gaps() == []
    named = {f"{package}.{name}" for package, names in listed.items() for name in names}
    assert set(api.entries()) == named, "an entry of a name that is not public"


def small_packages(api, root: Path, things: str, page: str) -> Path:
    """Writes both packages with the public names `one`, `Two` and `Three`, and a page of their entries."""
    for package, folder in api.PACKAGES.items():
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").write_text('"""A package."""\n')
        names = "from .things import one as one, Two as Two, Three as Three\n" if package == "dgkd_stores" else ""
        (root / folder / "__init__.pyi").write_text(names)
        (root / folder / "things.py").write_text(things)
    (root / "docs" / "api").mkdir(parents=True)
    (root / "docs" / "api" / "page.md").write_text(page)
    return root


THINGS = """
def one():
    "Does it."
class Base:
    def inherited(self):
        "Is inherited."
class Two:
    "A thing."
    field: int
    "A field."
    first: int
    "Set in a tuple."
    def __init__(self) -> None:
        self.first, self._second = 1, 2
    def method(self):
        "Is a method."
    @property
    def size(self):
        "The size."
class Three(Two, Base):
    "Another thing."
    def method(self): ...
"""
OPTIONS = "    options:\n      inherited_members: true\n"
PAGE = "\n".join(
    f"::: dgkd_stores.{name}\n{options}\n```pycon\n>>> {name}()\n```\n"
    for name, options in (("one", ""), ("Two", ""), ("Three", OPTIONS))
)


@pytest.mark.parametrize(
    ("taken", "gap"),
    [
        ("Does it.", "one: no docstring"),
        ("A thing.", "Two: no docstring"),
        ("A field.", "Two.field: no docstring"),
        ("Set in a tuple.", "Two.first: no docstring"),
        ("Is a method.", "Two.method: no docstring"),
        ("The size.", "Two.size: no docstring"),
        ("Is inherited.", "Three.inherited: no docstring"),
        ("::: dgkd_stores.one", "one: no entry"),
        (">>> one()", "one: no example"),
        (OPTIONS, "Three.inherited: its base has no entry"),
    ],
)
def test_what_a_public_name_lacks_is_a_gap(tmp_path: Path, taken: str, gap: str) -> None:
    api = load("api_gaps")
    assert api.gaps(small_packages(api, tmp_path / "whole", THINGS, PAGE)) == []
    things, page = THINGS.replace(taken, ""), PAGE.replace(taken, "")
    found = api.gaps(small_packages(api, tmp_path / "taken", things, page))
    assert found and found[0].startswith(f"dgkd_stores.{gap}"), found


def test_the_assembled_pages_link_within_the_site(tmp_path: Path) -> None:
    load("assemble").assemble(tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.md"))
    assert {"format.md", "examples.md", "idea.svg"} <= {path.name for path in (tmp_path / "site").rglob("*")}
    for page in pages:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", text):
            assert target.startswith("https://") or (page.parent / target).is_file(), (page.name, target)
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1].split("\nmarkdown_extensions:")[0]
    assert set(re.findall(r"[\w/-]+\.md", nav)) == {str(page.relative_to(tmp_path / "site")) for page in pages}
