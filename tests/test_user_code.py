"""module:factory: data sets and models of the user's own, and cards that may not choose them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable, InvalidInput, Mismatch
from dgkd_cache.models import load_model, save_model, weights_digest
from dgkd_cache.models.registry import build_model, count_parameters, is_user_code, model_names
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.user_code import ask_before_import, import_factory

MODULE = """
import numpy as np
from torch import nn

def net(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

def split():
    return np.zeros((4, 1, 3, 3), np.uint8), [0, 1, 0, 1]

def data():
    return split(), split()
"""

NET = "dgkd_test_user_code:net"
WORDS = {"kind": "model", "define": "(*, channels)", "otherwise": "torchvision:NAME"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "dgkd_test_user_code.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def saved(here: Path) -> Path:
    """A finished model whose card names the module in the current folder, which nothing has imported yet."""
    model = build_model(NET, channels=1, classes=2, height=3, width=3, seed=0)
    card = ModelCard(
        name="own",
        architecture=NET,
        channels=1,
        classes=("a", "b"),
        height=3,
        width=3,
        parameters=count_parameters(model),
        preprocess=Preprocess.build(mean=("0.5",), std=("0.5",), input_size=None),
        dataset={},
        plan_digest="",
        views={},
        training={},
        weights_digest=weights_digest(model),
    )
    save_model(here / "run", model, card)
    del sys.modules["dgkd_test_user_code"]
    return here / "run"


def test_a_model_in_the_current_folder(here: Path) -> None:
    model = build_model(NET, channels=1, classes=5, height=3, width=3, seed=0)
    assert model(torch.zeros(2, 1, 3, 3)).shape == (2, 5)
    assert sys.path[-1] == str(here) and str(here) not in sys.path[:-1]


def test_a_data_set_in_the_current_folder(here: Path) -> None:
    assert len(load_dataset("dgkd_test_user_code:data").train) == 4


def test_a_factory_of_a_data_set_needs_no_arguments_and_its_exception_is_told_with_its_line(here: Path) -> None:
    (here / "dgkd_test_sets.py").write_text(
        "import json\ndef needs(root, fast=True): pass\ndef fails(fast=True):\n    return json.loads('{')\n"
    )
    with pytest.raises(InvalidInput, match="expected a function that needs no arguments, found .* parameter 'root'"):
        load_dataset("dgkd_test_sets:needs")
    with pytest.raises(DataUnreadable, match=r"found JSONDecodeError: .*dgkd_test_sets.py, line 4\)"):
        load_dataset("dgkd_test_sets:fails")


def test_refusals_say_what_it_was_to_be(here: Path) -> None:
    with pytest.raises(InvalidInput, match=r"the model dgkd_nowhere:net cannot be imported.*or torchvision:NAME"):
        import_factory("dgkd_nowhere:net", **WORDS)
    with pytest.raises(InvalidInput, match=r"nothing of that name; define made\(\*, channels\)") as refused:
        import_factory("dgkd_test_user_code:made", **WORDS)
    assert refused.value.exit_code == 2


def test_a_module_that_ends_the_program_is_refused(here: Path) -> None:
    (here / "dgkd_test_script.py").write_text("raise SystemExit(0)")
    with pytest.raises(InvalidInput, match="cannot be imported.*found SystemExit: 0"):
        import_factory("dgkd_test_script:net", **WORDS)


def test_a_factory_of_a_model_that_ends_the_program_is_told_with_its_line(here: Path) -> None:
    (here / "dgkd_test_ends.py").write_text("def net():\n    raise SystemExit('no GPU')")
    with pytest.raises(InvalidInput, match=r"factory dgkd_test_ends:net failed.*SystemExit: no GPU .*py, line 2\)"):
        build_model("dgkd_test_ends:net", channels=1, classes=2, height=3, width=3, seed=0)


def test_a_module_imports_the_ones_beside_it(here: Path) -> None:
    (here / "dgkd_test_beside.py").write_text("from dgkd_test_user_code import net as made")
    assert import_factory("dgkd_test_beside:made", **WORDS).__module__ == "dgkd_test_user_code"


@pytest.mark.parametrize("taken", ["json", "wave", "torch", "sched"])
def test_one_name_never_means_two_modules(here: Path, taken: str) -> None:
    (here / f"{taken}.py").write_text(f"open({str(here / 'ran')!r}, 'w')\ndef make(): pass")
    with pytest.raises(InvalidInput, match=rf"means one of two modules.*{taken}\.py and .*; give your own another"):
        import_factory(f"{taken}:make", **WORDS)
    assert not (here / "ran").exists()


def test_a_deleted_folder_leaves_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert import_factory("json:loads", **WORDS) is json.loads
    with pytest.raises(InvalidInput, match="in the current folder or installed"):
        import_factory("dgkd_nowhere:net", **WORDS)


def test_who_is_asked_may_refuse_before_anything_runs(here: Path) -> None:
    asked = []

    def ask(name: str) -> None:
        asked.append(name)
        raise InvalidInput("no")

    with ask_before_import(ask):
        for refused in (lambda: load_dataset("dgkd_test_user_code:data"), lambda: import_factory(NET, **WORDS)):
            with pytest.raises(InvalidInput, match="^no$"):
                refused()
    assert asked == ["dgkd_test_user_code:data", NET] and "dgkd_test_user_code" not in sys.modules
    assert load_dataset("dgkd_test_user_code:data") and asked[2:] == []


def test_names_that_are_code(here: Path) -> None:
    known = [*model_names(), "wrn-16-2", "torchvision:resnet18", "", "our lab's net", ":make", "make:"]
    assert not any(map(is_user_code, known))
    assert all(map(is_user_code, [NET, "a.b:c", "torchvisions:resnet18", "x:torchvision:y"]))
    assert "dgkd_test_user_code" not in sys.modules


def test_a_card_does_not_choose_code(saved: Path) -> None:
    with pytest.raises(Mismatch, match="names code, and a card is not let choose") as refused:
        load_model(saved)
    assert refused.value.exit_code == 13
    for other in ("dgkd_test_user_code:data", "resnet8"):
        with pytest.raises(Mismatch, match="names another architecture"):
            load_model(saved, architecture=other)
    assert "dgkd_test_user_code" not in sys.modules
    model, card = load_model(saved, architecture=NET)
    assert "dgkd_test_user_code" in sys.modules and weights_digest(model) == card.weights_digest
