"""A second lab with the guides of a first one: refused where its data differ, and with `align` the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.tiny_chain import CONFIG, MODULE, Lines, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.workspace.chain import run_chain
from dgkd_cache.workspace.run_inputs import read_inputs
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

GUIDES = ("teacher", "ta1")
CHAIN = 'teacher = "plain6"\nta1 = "plain4"\nstudent = "plain2"'

OTHER_LABS = """
import numpy as np
from tiny_bars import bars

def changed(take, *, tests=None, pixel=None, label=None, names=None):
    (pixels, labels, classes), (test_pixels, test_labels, _) = bars()
    pixels, labels = pixels[take].copy(), labels[take].copy()
    if tests is not None:
        test_pixels, test_labels = test_pixels[tests], test_labels[tests]
    if pixel is not None:
        pixels[pixel, 0, 3, 3] ^= 1
    if label is not None:
        labels[label] = (labels[label] + 1) % 4
    names = names or classes
    return (pixels, labels, names), (test_pixels, test_labels, names)

def shuffled():
    return np.random.Generator(np.random.PCG64(7)).permutation(96)

def other_order():
    return changed(shuffled(), tests=np.arange(40)[::-1])

def one_pixel():
    return changed(np.arange(96), pixel=17)

def one_label():
    return changed(np.arange(96), label=17)

def other_order_and_pixel():
    return changed(shuffled(), pixel=17)

def some():
    return changed(shuffled()[:80])

def more():
    (pixels, labels, classes), test = changed(shuffled())
    extra = np.random.Generator(np.random.PCG64(8)).integers(0, 100, (5, 1, 8, 8), dtype=np.uint8)
    return (np.concatenate([extra, pixels]), np.concatenate([[0] * 5, labels]), classes), test

def renamed():
    return changed(shuffled(), names=["Ameise", "Biene", "Kuh", "Hund"])

def two_classes():
    (pixels, labels, _), (test_pixels, test_labels, _) = changed(shuffled())
    train, test = np.isin(labels, [1, 3]), np.isin(test_labels, [1, 3])
    names = ["dog", "bee"]  # 3, 1
    return (pixels[train], (labels[train] == 1).astype(int), names), (
        test_pixels[test], (test_labels[test] == 1).astype(int), names)
"""


@pytest.fixture(scope="module")
def first_lab(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished chain, and the modules of all labs."""
    folder = tmp_path_factory.mktemp("labs")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        (folder / "tiny_bars.py").write_text(MODULE)
        (folder / "other_labs.py").write_text(OTHER_LABS)
        ws = Workspace.init(folder / "first", CONFIG.format(chain=CHAIN))
        run_chain(ws, device="cpu", remake=False, progress=Lines(), stop=lambda: False)
        yield ws


def second_lab(first: Workspace, folder: Path, data: str, **settings: object) -> Workspace:
    text = CONFIG.format(chain=CHAIN).replace("tiny_bars:bars", f"other_labs:{data}")
    ws = Workspace.init(folder / data, text)
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    return ws.with_config(with_overrides(ws.config, keys))


def aligned(first: Workspace, folder: Path, data: str, **settings: object) -> Workspace:
    return second_lab(first, folder, data, dataset__align=str(stores(first)[0]), **settings)


def stores(first: Workspace) -> list[Path]:
    return [first.store_path(name) for name in GUIDES]


def student(ws: Workspace, first: Workspace, name: str = "student", **settings: object) -> bytes:
    """The weights of the chain's student, trained in this workspace from the first lab's guides."""
    train(ws, name, guides=stores(first), training=ws.config.training_for("student"), **settings)
    return (ws.run_folder(name) / "weights.safetensors").read_bytes()


def weights(first: Workspace) -> bytes:
    return (first.run_folder("student") / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("data", "said", "hint"),
    [
        ("other_order", "the same samples in another order: .* the first is sample 0 .*recorded as sample", True),
        ("one_pixel", r"1 of 96 samples differ, the first is sample 17 \(train, class .*with other content", False),
        ("one_label", r"1 of 96 labels differ, the first at sample 17 .* here, .* recorded", False),
        ("some", "80 samples here, 96 recorded", True),
        ("more", "101 samples here, 96 recorded", True),
        ("renamed", r"4 classes \(Ameise, Biene, Kuh, Hund\), found 4 classes \(ant, bee, cow, dog\)", False),
    ],
)
def test_other_data_is_refused_before_training(
    first_lab: Workspace, tmp_path: Path, data: str, said: str, hint: bool
) -> None:
    ws = second_lab(first_lab, tmp_path, data)
    with pytest.raises(Mismatch, match=said) as caught:
        student(ws, first_lab)
    assert caught.value.exit_code == 13
    assert (f"`--set dataset.align={stores(first_lab)[0]}`" in str(caught.value)) is hint
    assert not ws.run_folder("student").exists()


def test_another_order_trains_to_the_same_weights(first_lab: Workspace, tmp_path: Path) -> None:
    """The run is that of the first lab in every input: data, order, views, probe, test set."""
    ws = aligned(first_lab, tmp_path, "other_order")
    assert student(ws, first_lab) == weights(first_lab)
    assert read_inputs(ws.run_folder("student")) == read_inputs(first_lab.run_folder("student"))
    own, theirs = ws.dataset().train, first_lab.dataset().train
    assert own.digest == theirs.digest and (own.pixels_NIHW == theirs.pixels_NIHW).all()
    with GuideStore.open(stores(first_lab)[0]) as store:
        card = json.loads((ws.run_folder("student") / "card.json").read_text())["training"]
        assert (card["aligned_with"], card["aligned_samples"]) == (store.seal, 96)


def test_guides_of_the_second_lab_join_those_of_the_first(first_lab: Workspace, tmp_path: Path) -> None:
    """The whole chain of the second lab, aligned with the first lab's teacher, makes the first lab's rows."""
    ws = aligned(first_lab, tmp_path, "other_order")
    run_chain(ws, device="cpu", remake=False, progress=Lines(), stop=lambda: False)
    with GuideStore.open(ws.store_path("ta1")) as own, GuideStore.open(first_lab.store_path("ta1")) as theirs:
        samples_N = np.arange(96)
        for view in (0, 1):
            rows = [store.gather(np.full(96, view), samples_N) for store in (own, theirs)]
            assert np.array_equal(*rows)
    guides = [stores(first_lab)[0], ws.store_path("ta1")]
    train(ws, "mixed", guides=guides, training=ws.config.training_for("student"))
    assert (ws.run_folder("mixed") / "weights.safetensors").read_bytes() == weights(first_lab)


def test_more_samples_than_the_guide_are_left_out(first_lab: Workspace, tmp_path: Path) -> None:
    ws = aligned(first_lab, tmp_path, "more")
    assert student(ws, first_lab) == weights(first_lab)
    assert ws.dataset().train.unused == 5


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("other_order_and_pixel", "1 of 96 samples here have a content that the guide has not, the first is sample 17"),
        ("one_pixel", "the first is sample 17 .*; 1 of the guide's are not here"),
        ("one_label", "1 of 96 samples have another label than the guide's: expected class .* sample 17, .* sample 17"),
        ("renamed", "the guide has other classes: expected 4 classes, of which number 0 is 'Ameise', found .*'ant'"),
    ],
)
def test_what_is_neither_another_order_nor_a_part_is_refused(
    first_lab: Workspace, tmp_path: Path, data: str, said: str
) -> None:
    ws = aligned(first_lab, tmp_path, data)
    with pytest.raises(Mismatch, match=f"guide 'teacher' .*{said}"):
        student(ws, first_lab)


def test_a_class_map_gives_other_names(first_lab: Workspace, tmp_path: Path) -> None:
    names = {"ant": "Ameise", "bee": "Biene", "cow": "Kuh", "dog": "Hund"}
    (tmp_path / "names.json").write_text(json.dumps(names))
    ws = aligned(first_lab, tmp_path, "renamed", dataset__class_map=str(tmp_path / "names.json"))
    progress = Lines()
    assert student(ws, first_lab, progress=progress) == weights(first_lab), "the same columns, labels and images"
    assert not [line for line in progress.lines if "tested with other images" in line], "only the names are others"
    inputs = read_inputs(ws.run_folder("student"))
    assert inputs["dataset.class_map.Ameise"] == '"ant"'
    card = json.loads((ws.run_folder("student") / "card.json").read_text())
    assert card["classes"] == [*names.values()] and card["training"]["class_map"] == {b: a for a, b in names.items()}


def test_a_guide_cannot_be_dumped_on_a_part(first_lab: Workspace, tmp_path: Path) -> None:
    ws = aligned(first_lab, tmp_path, "some")
    with pytest.raises(Mismatch, match="cannot be dumped on a part of the samples: expected all 96 .*found 80"):
        run_chain(ws, device="cpu", remake=False, progress=Lines(), stop=lambda: False)
    assert not (ws.folder / "runs").exists()


def test_a_class_map_needs_a_guide(first_lab: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no class_map without align"):
        second_lab(first_lab, tmp_path, "renamed", dataset__class_map="names.json")
