"""A workspace on disk: places, guides by method, and refusals that say what to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from support.picture_folders import pictures

from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput, UnknownName
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.chain import run_chain
from dgkd_cache.workspace.tasks import TrainRequest, train_model
from dgkd_cache.workspace.workspace import Workspace

TEXT = """
[dataset]
name = "folder:photos"
[views]
transforms = ["crop(1)"]
[chain]
teacher = "plain6"
ta1 = "plain4"
student = "plain2"
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path / "w", TEXT)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_init_writes_once_and_never_over_what_is_there(ws: Workspace) -> None:
    assert (ws.folder / "dgkd.toml").read_text() == TEXT
    with pytest.raises(InvalidInput, match="there already and is left as it is") as refused:
        Workspace.init(ws.folder, TEXT.replace("plain6", "plain8"))
    assert refused.value.exit_code == 2
    assert (ws.folder / "dgkd.toml").read_text() == TEXT


def test_a_folder_without_a_file_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"no workspace: expected a file dgkd.toml.*dgkd-cache -w .* init .* makes one there"
    ):
        Workspace.open(tmp_path)


def test_places_and_architectures(ws: Workspace) -> None:
    assert ws.chain == ("teacher", "ta1", "student")
    assert ws.architecture("ta1") == "plain4"
    assert ws.run_folder("ta1") == ws.folder / "runs" / "ta1"
    assert ws.store_path("ta1") == ws.store_path("ta1", range(40)) == ws.folder / "guides" / "ta1.zarr"
    assert ws.store_path("ta1", range(40, 60)) == ws.folder / "guides" / "ta1-40-60.zarr"
    with pytest.raises(UnknownName, match="did you mean ta1"):
        ws.architecture("ta2")
    with pytest.raises(InvalidInput):
        ws.run_folder("../elsewhere")


@pytest.mark.parametrize(
    ("method", "guides"),
    [
        ("scratch", ()),
        ("kd", ("teacher",)),
        ("takd", ("ta1",)),
        ("dgkd", ("teacher", "ta1")),
        (None, ("teacher", "ta1")),
    ],
)
def test_guides_of_the_student(ws: Workspace, method: str | None, guides: tuple[str, ...]) -> None:
    assert ws.guides_for("student", method) == guides
    assert ws.guides_for("teacher", method) == ()


def test_relative_paths_of_the_file_start_at_its_folder(ws: Workspace) -> None:
    assert ws.dataset_name == f"folder:{(ws.folder / 'photos').resolve()}"
    assert ws.data_root is None
    for kind in ("imagenet", "tiny-imagenet"):
        (other := ws.folder / kind).mkdir()
        named = Workspace.init(other, TEXT.replace("folder:photos", f"{kind}:../data"))
        assert named.dataset_name == f"{kind}:{(ws.folder / 'data').resolve()}"


def test_the_chain_comes_first_in_lists(ws: Workspace) -> None:
    for name in ("student", "a-first", "teacher"):
        touch(ws.run_folder(name) / "card.json")
        touch(ws.store_path(name) / "zarr.json")
    (ws.folder / "guides" / "ta1.zarr.locks").mkdir()
    assert ws.runs() == ("teacher", "student", "a-first")
    assert ws.stores() == ("teacher", "student", "a-first")


def test_data_set_and_plan_are_made_once(tmp_path: Path) -> None:
    ws = Workspace.init(tmp_path, TEXT.replace("folder:photos", "digits"))
    assert ws.dataset() is ws.dataset()
    assert ws.plan() is ws.plan()
    assert ws.plan().view_shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("transforms", "problem"),
    [
        ('["crop(1)", "rand-agment"]', "unknown transform 'rand-agment'.*did you mean rand-augment"),
        ('["auto-augment(svhn)"]', r"expected a policy out of cifar10, imagenet, found auto-augment\(svhn\)"),
        ('["mixup", "cutmix"]', "two transforms that mix samples"),
        ('["hflip", "crop(1)"]', "transforms out of order"),
    ],
)
def test_unsuitable_transforms_are_told_before_the_files_of_a_data_set_are_looked_for(
    tmp_path: Path, transforms: str, problem: str
) -> None:
    """The folder of this data set is not there, which would be told as soon as it is looked at."""
    ws = Workspace.init(tmp_path / "w", TEXT.replace('["crop(1)"]', transforms))
    for look in (ws.dataset, ws.plan, partial(run_chain, ws)):
        with pytest.raises(InvalidInput, match=problem) as refused:
            look()
        assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [('{"a": "cat", "b": "cat"}', "found 'cat' twice"), ("[]", "cannot be used"), (None, "No such")],
)
def test_a_class_map_is_read_before_the_files_of_a_data_set_are_looked_for(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    """Neither the folder of this data set nor the guide is there; a look at one of them would tell that first."""
    text = TEXT.replace('photos"', 'photos"\nalign = "nowhere"\nclass_map = "map.json"')
    ws = Workspace.init(tmp_path / "w", text)
    if content is not None:
        (ws.folder / "map.json").write_text(content)
    with pytest.raises(DgkdError, match=problem):
        ws.dataset()


def test_the_first_signal_stops_the_reading_of_a_folder(ws: Workspace) -> None:
    """A chain or a training that is asked to stop does not go on until a million files are read."""
    for path in pictures():
        (target := ws.folder / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures()[path]).save(target)
    request = TrainRequest(
        name="teacher",
        architecture="plain6",
        training=ws.config.training_for("teacher"),
        distillation=ws.config.distillation,
    )
    for work in (partial(run_chain, ws), partial(train_model, ws, request, progress=Silent())):
        with pytest.raises(Interrupted, match="the reading of the files in .*train was stopped: found 1 of 18 read"):
            work(device="cpu", stop=lambda: True)
    assert not (ws.folder / "guides").exists() and not list(ws.folder.glob("runs/*/card.json"))
    assert len(ws.dataset().train) == 18
