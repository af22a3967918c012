"""Nothing that comes from a store, a card or a checkpoint can be unpickled, imported or evaluated."""

from __future__ import annotations

import ast
import traceback
from pathlib import Path

import pytest
from support import hostile_cards
from support.dying import in_child

ROOT = Path(__file__).parents[1]
PACKAGES = ("stores/dgkd_stores", "dgkd_cache", "cli/dgkd_cli")

MODULES = {"_pickle", "cloudpickle", "code", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"}
"""Not imported at all."""

CALLS = {"eval", "exec", "compile", "__import__"}
"""Not called by their bare names."""

KEYWORDS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Called with that keyword only."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(file, what) and the reason why it is safe."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a call's function; "" for anything that has no such name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value)}.{name}"
    return ""


def found_in(text: str) -> set[str]:
    """Returns what a module imports or calls that could run somebody's code."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names if name.name.split(".")[0] in MODULES}
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                found.add(module)
            case ast.Call(func=function, keywords=keywords):
                called = dotted(function)
                keyword, wanted = KEYWORDS.get(called, ("", None))
                given = {each.arg: getattr(each.value, "value", None) for each in keywords}
                if called in CALLS or (keyword and given.get(keyword) is not wanted):
                    found.add(called)
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert {what for what in found_in(path.read_text()) if (name, what) not in EXCEPTIONS} == set()


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "numpy.load(path)",
        "eval(text)",
        "import yaml",
        "def f():\n    import marshal",
    ],
)
def test_the_search_finds_it(text: str) -> None:
    assert found_in(text)


def test_the_search_lets_the_rest_pass() -> None:
    calls = ["model.eval()", "torch.load(p, weights_only=True)", "np.load(p, allow_pickle=False)", "re.compile('a')"]
    assert found_in("\n".join(["import json, torch", *calls])) == set()


def test_hostile_cards_and_checkpoints(tmp_path: Path) -> None:
    """Pickles in every place of a model or a checkpoint, under an audit hook that hears of any that is opened."""
    said = tmp_path / "said"

    def tried() -> None:
        try:
            said.write_text(hostile_cards.run(tmp_path))
        except BaseException:
            said.write_text(traceback.format_exc())
            raise

    status = in_child(tried)  # of its own, for an audit hook stays as long as its process
    assert (status, said.read_text()) == (0, "refused with [12], unpickled []")
