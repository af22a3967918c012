"""`init`: what it writes, says and refuses."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from dgkd_cache.models.summary import model_summary

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_chain_on_digits(command: Command, here: Path) -> None:
    result = command("init", "--chain", "plain6,plain4,plain2", "--epochs", "3", "demo")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "teacher (plain6) -> ta1 (plain4) -> student (plain2)" in result.stdout
    assert "`dgkd-cache -w demo run` trains it" in result.stdout
    written = tomllib.loads((here / "demo" / "dgkd.toml").read_text())
    assert written["dataset"]["name"] == "digits"
    assert written["chain"] == {"teacher": "plain6", "ta1": "plain4", "student": "plain2"}
    assert (written["training"]["epochs"], written["training"]["lr"]) == (3, 0.03)
    assert (written["training"]["lr_schedule"], written["distillation"]["objective"]) == ("cosine", "mean")
    assert written["views"]["transforms"] == ["crop(1)"]
    assert command("-w", "demo", "ls").exit_code == 0


@pytest.mark.parametrize(("chain", "at"), [("resnet14,resnet8", 1), ("plain4,plain2", 2)])
def test_the_help_tells_the_defaults_that_are_written(command: Command, here: Path, chain: str, at: int) -> None:
    text = " ".join(command("init", "--help").stdout.split())
    rate = re.search(r"Learning rate\. \[default: (\S+); (\S+) for plain networks\]", text)
    objective = re.search(r"How the terms add up\. \[default: (\S+); (\S+) with plain networks\]", text)
    assert rate and objective
    assert command("init", "--chain", chain, "demo").exit_code == 0
    written = tomllib.loads((here / "demo" / "dgkd.toml").read_text())
    assert written["training"]["lr"] == float(rate[at])
    assert written["distillation"]["objective"] == objective[at]


def test_an_interrupt_leaves_a_free_place(command: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        result = command("init", "--chain", "plain4,plain2", "demo")
    assert (result.exit_code, list((here / "demo").iterdir())) == (130, [])
    assert command("init", "--chain", "plain4,plain2", "demo").exit_code == 0


def test_every_option_reaches_the_file(command: Command, here: Path) -> None:
    options = (
        "--dataset cifar10 --chain resnet20,plain2 --epochs 5 --batch-size 32 --lr 0.25 --views 7 "
        "--transforms crop(2),hflip --schedule draw --method takd --objective mean --lambda 0.125 --keep 0.5 "
        "--temperature 2 --encoding float32 --validation 100 --data-root data --seed 9 --json"
    )
    result = command("init", *options.split())
    assert (result.exit_code, result.stderr) == (0, "")
    printed = json.loads(result.stdout)
    assert printed.pop("config") == "dgkd.toml"
    written = tomllib.loads((here / "dgkd.toml").read_text())
    assert written["dataset"] == {
        "name": "cifar10",
        "root": str(here / "data"),
        "download": True,
        "validation": 100,
    }
    assert written["views"] == {
        "transforms": ["crop(2)", "hflip"],
        "scheme": "sampled",
        "count": 7,
        "schedule": "draw",
        "seed": 0,
        "decoder": "pillow",
    }
    assert (written["cache"]["temperature"], written["cache"]["encoding"]) == (2.0, "float32")
    training, distillation = written["training"], written["distillation"]
    assert [training[key] for key in ("epochs", "batch_size", "lr", "seed")] == [5, 32, 0.25, 9]
    assert training["student"] == {"lr_schedule": "cosine"}, "a rate that was asked for is for all models"
    assert [distillation[key] for key in ("method", "objective", "lambda", "keep")] == [
        "takd",
        "mean",
        0.125,
        0.5,
    ]
    assert printed["chain"] == written["chain"]


def test_an_enumerated_scheme_gets_all_its_views(command: Command, here: Path) -> None:
    result = command("init", "--dataset", "cifar10", "--chain", "resnet8", "--scheme", "enumerated")
    assert result.exit_code == 0, result.stderr
    views = tomllib.loads((here / "dgkd.toml").read_text())["views"]
    assert (views["count"], views["schedule"]) == (162, "draw")


def test_a_folder_is_named_from_here(command: Command, here: Path) -> None:
    from PIL import Image

    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = here / "photos" / split / label
            folder.mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(folder / "0.png")
    result = command("init", "--dataset", "folder:photos", "--chain", "resnet8", "work")
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads((here / "work" / "dgkd.toml").read_text())
    assert written["dataset"]["name"] == f"folder:{here / 'photos'}"
    assert written["views"]["transforms"] == ["crop(4)", "hflip"]


def test_what_is_there_is_never_overwritten(command: Command, here: Path) -> None:
    (here / "dgkd.toml").write_text("mine")
    result = command("init", "--chain", "plain2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there already and is left as it is" in result.stderr
    assert (here / "dgkd.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("--chain resnt20,resnet8", "did you mean resnet20"),
        ("--chain plain4,,plain2", "architectures, largest first"),
        ("--chain plain2 --dataset digit", "did you mean digits"),
        ("--chain plain2 --epochs 0", "found 0"),
        ("--chain plain2 --lambda 2", "'lambda' in table [distillation]"),
        ("--chain plain2 --transforms corp(4)", "crop"),
        ("--chain plain2 --dataset folder:nowhere", "nowhere"),
        ("", "--chain"),
        ("--chain plain4,plain2 --method scratch --keep 0.5", "--keep would have no effect, since this model has no"),
        ("--chain plain4,plain2 --data-root ''", "--data-root names no folder"),
        ("--chain plain4,plain2 --method scratch --objective mean --lambda 0.5", "--objective and --lambda would have"),
        ("--chain plain2 --objective mean", "a --chain of at least two"),
        ("--chain plain2 --method kd", "--method kd would have no effect: student is the first of the chain"),
        ("--chain plain4,plain2 --keep 0", "--keep would leave no guide in any batch"),
        ("--chain plain4,plain2 --lambda 0 --keep 0.5", "--keep would have no effect with lambda = 0"),
        ("--chain plain2 --data-root x", "leave --data-root out"),
        ("--chain plain4,plain2 --topk 3", "--encoding topk and --topk K"),
        ("--chain plain4,plain2 --encoding uint8 --topk 3", "--encoding topk and --topk K"),
        ("--chain plain4,plain2 --encoding topk", "--encoding topk and --topk K"),
    ],
)
def test_wrong_options_write_nothing(command: Command, here: Path, options: str, word: str) -> None:
    result = command("init", *shlex.split(options))
    assert result.exit_code in (1, 2), result.output
    assert word in result.stderr
    assert result.stdout == ""
    assert not (here / "dgkd.toml").exists()


def test_a_workspace_has_one_name(command: Command, here: Path) -> None:
    refused = command("-w", "one", "init", "--chain", "plain2", "other")
    assert (refused.exit_code, refused.stdout, list(here.iterdir())) == (2, "", [])
    assert "two names, other and -w one: give one of them" in refused.stderr
    assert command("-w", "one", "init", "--chain", "plain2").exit_code == 0 and (here / "one" / "dgkd.toml").is_file()


def test_what_was_not_asked_for_is_said(command: Command, here: Path) -> None:
    result = command("init", "--chain", "resnet14,resnet8")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{here / 'dgkd.toml'}: this folder is a workspace now" in result.stdout
    assert "digits (--dataset NAME chooses another)" in result.stdout
    asked = command("init", "--chain", "resnet8", "--dataset", "digits", "there")
    assert "chooses another" not in asked.stdout and "a workspace now" not in asked.stdout


def test_a_chain_that_grows_is_told(command: Command, here: Path) -> None:
    result = command("init", "--chain", "resnet8,resnet20,plain2", "grows")
    assert result.exit_code == 0
    counts = {name: summary(name) for name in ("resnet8", "resnet20")}
    assert result.stderr == (
        f"Warning: ta1 has {counts['resnet20']:,} parameters, more than teacher before it ({counts['resnet8']:,}): "
        "a chain lists the largest model first\n"
    )
    assert command("init", "--chain", "resnet20,resnet8,plain2", "shrinks").stderr == ""
    assert command("init", "--chain", "torchvision:resnet18,torchvision:resnet18", "equal").stderr == ""


def summary(name: str) -> int:
    return model_summary(name, channels=3, height=32, width=32, classes=10).parameters


def test_a_chain_of_one_model_has_no_guide(command: Command, here: Path) -> None:
    result = command("-q", "init", "--chain", "resnet8", "one")
    assert result.exit_code == 0 and tomllib.loads((here / "one" / "dgkd.toml").read_text())["chain"] == {
        "student": "resnet8"
    }
    assert result.stderr == "Warning: a chain of one model has no guide: its student is trained from scratch\n"


def test_a_folder_above_is_written_without_detours(command: Command, here: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (here / "pets" / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(here / "pets" / split / name / "0.png")
    (here / "work").mkdir()
    result = command("init", "--dataset", "folder:work/../pets", "--chain", "plain4,plain2", "work")
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads((here / "work" / "dgkd.toml").read_text())["dataset"]
    assert written["name"] == f"folder:{here / 'pets'}"
    result = command("init", "--dataset", "cifar10", "--data-root", "work/../data", "--chain", "plain4,plain2", "two")
    assert tomllib.loads((here / "two" / "dgkd.toml").read_text())["dataset"]["root"] == str(here / "data")


@pytest.mark.parametrize(
    ("kind", "transforms"),
    [("imagenet", ["resized-crop(224)", "hflip"]), ("tiny-imagenet", ["crop(8)", "hflip"])],
)
def test_imagenet_is_not_read(command: Command, here: Path, kind: str, transforms: list[str]) -> None:
    """Its usual augmentation is known, and a workspace can be written where the images are not."""
    result = command("init", "--dataset", f"{kind}:data", "--chain", "resnet20,resnet8", "work")
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads((here / "work" / "dgkd.toml").read_text())
    assert written["dataset"]["name"] == f"{kind}:{here / 'data'}"
    assert written["views"]["transforms"] == transforms


def test_without_scikit_learn_init_says_what_to_install(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = command("-q", "init", "--chain", "plain4,plain2", "demo")
    assert (result.exit_code, (here / "demo" / "dgkd.toml").is_file()) == (0, True)
    install = (
        "the data set digits lies inside scikit-learn: expected the package scikit-learn, found none installed; "
        'run: pip install "dgkd-cache[demo]"'
    )
    assert result.stderr == f"Warning: {install}\n"
    assert command("-q", "-w", "demo", "train", "teacher").stderr == f"Error: {install}\n"
    assert command("init", "--chain", "plain4,plain2", "--dataset", "cifar10", "other").stderr == ""


def test_transforms_may_have_commas_in_brackets(command: Command, here: Path) -> None:
    listed = "crop(1), rand-augment(2, 9),erasing(0.250)"
    written = command("init", "--chain", "plain2", "--transforms", listed, "new", "--json")
    assert json.loads(written.stdout)["views"]["transforms"] == ["crop(1)", "rand-augment(2, 9)", "erasing(0.250)"]


@pytest.mark.parametrize(
    ("text", "meant"), [("crop1", "crop(4)"), ("flip", "hflip"), ("resizedcrop", "resized-crop(224) or crop(4)")]
)
def test_a_transform_is_meant_as_it_is_written(command: Command, here: Path, text: str, meant: str) -> None:
    result = command("init", "--chain", "plain4,plain2", "--transforms", text, "demo")
    assert result.exit_code == 2
    assert "expected one of auto-augment, autocontrast, blur, color-jitter, crop, " in result.stderr
    assert "solarize, translate, trivial-augment; did you mean" in result.stderr
    assert result.stderr.endswith(f"did you mean {meant}?\n")
    for one in meant.split(" or "):
        assert command("init", "--chain", "plain4,plain2", "--transforms", one, f"demo-{one[:2]}").exit_code == 0


def test_a_recipe_is_written_with_where_it_comes_from(command: Command, here: Path) -> None:
    result = command("init", "--recipe", "dgkd-table2", "--data-root", "data", "work")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "`dgkd-cache -w work compare` trains its variants over seeds" in result.stdout
    text = (here / "work" / "dgkd.toml").read_text()
    assert text.splitlines()[1].startswith("# dgkd-table2: ResNets, two assistants; `dgkd-cache recipes dgkd-table2`")
    written = tomllib.loads(text)
    assert (written["dataset"]["name"], written["dataset"]["root"]) == ("cifar10", str(here / "data"))
    assert [*written["chain"].values()] == ["resnet26", "resnet20", "resnet14", "resnet8"]
    assert written["compare"]["published"]["dgkd+drop"] == {
        "accuracy": 89.66,
        "source": "Son et al., ICCV 2021, Table 2",
    }
    assert command("-w", "work", "ls").exit_code == 0


def test_what_differs_from_the_recipe_is_told_and_written(command: Command, here: Path) -> None:
    words = "--recipe dgkd-table1 --epochs 10 --scheme sampled --schedule cycle --views 10"
    result = command("init", *words.split())
    assert result.exit_code == 0, result.stderr
    told = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.startswith("changed")]
    assert "training.epochs = 10 (the recipe has 160)" in told and len(told) == 4
    assert [f"# {line}" for line in told] == (here / "dgkd.toml").read_text().splitlines()[2:6]


def test_sizes_are_those_for_the_classes_of_the_recipe(command: Command, here: Path) -> None:
    """The authors' plain6 keeps 8 x 8 pixels of 128 channels for its 100 outputs, plain7 2 x 2 of 256 for 64."""
    result = command("init", "--recipe", "dgkd-table5", "--json")
    assert json.loads(result.stdout)["recipe"] == "dgkd-table5"
    warning = "ta4 has 1,107,204 parameters, more than ta3 before it (655,684)"
    assert result.stderr.count("Warning: ") == 1 and warning in result.stderr


def test_a_recipe_on_its_data_as_a_folder(command: Command, here: Path) -> None:
    for split in ("train", "test"):
        for label in range(10):
            (here / "photos" / split / str(label)).mkdir(parents=True)
    result = command("init", "--recipe", "dgkd-table2", "--dataset", "folder:photos", "work")
    assert result.exit_code == 0, result.stderr
    assert f'dataset.name = "folder:{here / "photos"}" (the recipe has "cifar10")' in result.stdout
    refused = command("init", "--recipe", "dgkd-table1", "--dataset", "folder:photos", "other")
    assert refused.exit_code == 2 and "100 classes, found 10 folders" in refused.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("--recipe dgkd-tabel2", "did you mean dgkd-table2"),
        ("--recipe dgkd-table2 --dataset folder:missing", "is not a folder of images"),
        ("--recipe dgkd-table2 --dataset mnist", "the recipe dgkd-table2 is on cifar10"),
        ("--recipe dgkd-table2 --views 40", "found count = 40; add --scheme sampled"),
        ("--recipe dgkd-table2 --method kd", "distillation.method cannot be given beside the recipe"),
        ("--recipe official --keep 0.5", "--keep would have no effect with dropping = fixed"),
        ("--epochs 3", "Missing option '--chain', the architectures; or '--recipe', which names them"),
        ("--recipe dgkd-table2 --chain ''", "architectures, largest first"),
    ],
)
def test_a_recipe_that_cannot_be_writes_nothing(command: Command, here: Path, options: str, word: str) -> None:
    result = command("init", *shlex.split(options))
    assert (result.exit_code, result.stdout) == (2, "") and word in result.stderr
    assert not (here / "dgkd.toml").exists()


@pytest.mark.parametrize("verb", ["run", "compare", "plan"])
@pytest.mark.parametrize("download", ["true", "false"])
def test_a_recipe_whose_data_are_missing_trains_nothing(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch, verb: str, download: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", fail)
    command("init", "--recipe", "dgkd-table2", "--data-root", "nothing")
    result = command(verb, "--set", f"dataset.download={download}")
    assert result.exit_code == 2, result.output
    assert f"cifar10 is not on this machine{' and could not be downloaded' * (download == 'true')}" in result.stderr
    assert (
        f"data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5, test_batch, batches.meta in {here}"
        in (result.stderr)
    )
    assert not [*here.rglob("runs/*/*")] and not [*here.rglob("*.zarr")]
