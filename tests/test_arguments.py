"""The public calls: each argument of another kind is refused by name, with what was expected, found, and a way on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.transforms import v2

import dgkd_cache as dgkd
from dgkd_cache import errors
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.openmp import choose_waiting, describe_waiting
from dgkd_cache.errors import DgkdError, Incomplete, InvalidInput
from dgkd_cache.models import load_model, load_weights, weights_digest
from dgkd_cache.models.card import load_card
from dgkd_cache.models.contract import check_forward
from dgkd_cache.progress import Silent
from dgkd_stores import describe_value, require_integer, require_number

RANDOM = dgkd.RunRandom(0)
OTHERS: tuple[object, ...] = (
    None,
    True,
    4,
    -1,
    0.5,
    float("nan"),
    "x",
    b"x",
    [],
    [None],
    ["x"],
    {},
    {"x": 1},
    range(0),
    lambda x: x,
    object(),
    dict,
    np.zeros((2, 3)),
    torch.zeros(3),
    v2.RandomCrop(4),
    nn.Linear(2, 2),
    torchvision.datasets.FakeData(3),
    Path("x"),
)
"""What a caller may give by mistake."""

ANY_VALUE = {"load_dataset": {"download"}}
"""Arguments that are only asked whether they are true."""


@pytest.fixture
def calls(
    bars, plan, make_tiny, three_guides, tmp_path: Path
) -> dict[str, tuple[Callable[..., object], dict[str, Any]]]:
    """Every public call with keywords that work; constructors that read and write nothing more."""
    train, test = dgkd.ViewRenderer(plan, bars.train), dgkd.ViewRenderer(plan, bars.test)
    dropping = dgkd.Dropping()
    guide = make_tiny(1).eval()
    writer = dgkd.GuideWriter(
        tmp_path / "run.zarr",
        guide,
        lambda pixels: guide(pixels / 255),
        guide=dgkd.Provenance(name="a"),
        train=train,
        test=test,
        views=range(1),
    )
    bank = dgkd.GuideBank(three_guides[:1], views=train, scheduled=range(3), temperature=4.0)
    softened = torch.zeros(2, 5, 4)
    return {
        "Dataset": (dgkd.Dataset, {"train": bars.train, "test": bars.test, "mean": ("0.1",), "std": ("0.2",)}),
        "Dropping": (
            dgkd.Dropping,
            {"kind": "bernoulli", "keep": 0.5, "drop": 1, "always": ("ta1",), "at_least_one": False},
        ),
        "keep_mask": (dropping.keep_mask, {"words_G1": RANDOM.drop_words(0, 2), "names": ("a", "b")}),
        "GuideBank": (
            dgkd.GuideBank,
            {
                "stores": three_guides[:1],
                "views": train,
                "scheduled": range(3),
                "temperature": 4.0,
                "device": "cpu",
                "resident": None,
                "reader": "auto",
            },
        ),
        "GuideWriter": (
            dgkd.GuideWriter,
            {
                "path": tmp_path / "a.zarr",
                "model": make_tiny(1),
                "forward": make_tiny(1),
                "guide": dgkd.Provenance(name="a"),
                "train": train,
                "test": test,
                "views": range(4),
                "settings": dgkd.DumpSettings(batch_size=8),
                "device": "cpu",
            },
        ),
        "DumpSettings": (
            dgkd.DumpSettings,
            {
                "temperature": 4.0,
                "encoding": "float16",
                "codec": "none",
                "batch_size": 8,
                "precision": "float32",
                "workers": 0,
                "licence": "",
                "accept_probabilities": False,
            },
        ),
        "Provenance": (
            dgkd.Provenance,
            {"name": "a", "architecture": "a", "training": {}, "guides": {}},
        ),
        "gather": (
            bank.gather,
            {"views_B": np.array([0, 1]), "samples_B": np.array([5, 6]), "keep_G": np.array([True])},
        ),
        "RunRandom": (dgkd.RunRandom, {"seed": 3}),
        "drop_words": (RANDOM.drop_words, {"step": 5, "guides": 2}),
        "order": (RANDOM.order, {"epoch": 1, "samples_N": np.arange(5)}),
        "Schedule": (dgkd.Schedule, {"kind": "cycle", "views": 4, "random": RANDOM, "samples": 100}),
        "TensorImages": (
            dgkd.TensorImages,
            {
                "images_NIHW": bars.train.resident,
                "labels_N": bars.train.labels_N,
                "classes": bars.classes,
                "name": "n",
                "split": "train",
            },
        ),
        "ViewDataset": (dgkd.ViewDataset, {"images": bars.train, "plan": plan}),
        "ViewPlan": (
            dgkd.ViewPlan.build,
            {"image": (1, 8, 8), "transforms": ["crop(1)"], "scheme": "sampled", "seed": 0},
        ),
        "ViewSampler": (
            dgkd.ViewSampler,
            {
                "schedule": dgkd.Schedule("cycle", 4, random=RANDOM, samples=100),
                "random": RANDOM,
                "samples": 100,
                "batch_size": 32,
                "epoch": 0,
                "step": 0,
            },
        ),
        "ViewRenderer": (dgkd.ViewRenderer, {"plan": plan, "images": bars.train}),
        "pixels": (train.pixels, {"views_B": [0, 1], "samples_B": [5, 6]}),
        "build_model": (
            dgkd.build_model,
            {"architecture": "resnet8", "channels": 1, "classes": 4, "height": 8, "width": 8, "seed": 0},
        ),
        "dense_guidance_loss": (
            dgkd.dense_guidance_loss,
            {
                "logits_BC": torch.zeros(5, 4),
                "labels_B": torch.zeros(5, dtype=torch.int64),
                "softened_KBC": softened,
                "guides": 2,
                "objective": "paper",
                "lambda_": 0.5,
                "temperature": 4.0,
            },
        ),
        "run": (
            writer.run,
            {"mine": None, "take_over": False, "progress": Silent(), "stop": lambda: False},
        ),
        "rehearse": (writer.draft.rehearse, {"view": 0}),
        "views": (dgkd.Schedule("draw", 4, random=RANDOM, samples=100).views, {"epoch": 3, "samples_B": [99]}),
        "item": (lambda pair: dgkd.ViewDataset(bars.train, plan)[pair], {"pair": (0, 5)}),
        "image": (bars.train.image, {"sample": 0}),
        "batch": (bars.train.batch, {"samples_B": [0, 1]}),
        "kept_share": (dropping.kept_share, {"names": ("a", "b")}),
        "weights_digest": (weights_digest, {"model": nn.Linear(2, 2)}),
        "load_model": (none_there(load_model), {"folder": tmp_path, "architecture": None}),
        "load_weights": (none_there(load_weights), {"model": nn.Linear(2, 2), "folder": tmp_path}),
        "load_card": (none_there(load_card), {"folder": tmp_path}),
        "own_cores": (entered(own_cores), {"device": torch.device("cpu")}),
        "choose_waiting": (choose_waiting, {"environment": {}}),
        "describe_waiting": (describe_waiting, {"environment": {}}),
        "expect": (bank.expect, {"views_B": [0, 1], "samples_B": [5, 6]}),
        "to": (bars.train.to, {"device": "cpu"}),
        "check_forward": (
            check_forward,
            {
                "architecture": "mine",
                "model": nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),
                "channels": 1,
                "classes": 4,
                "height": 8,
                "width": 8,
            },
        ),
        "load_dataset": (dgkd.load_dataset, {"name": "digits", "root": Path("x"), "download": False}),
    }


def none_there(load: Callable[..., object]) -> Callable[..., None]:
    """Goes as far as to see that the folder has no model."""

    def looked(**keywords: object) -> None:
        with suppress(Incomplete):
            load(**keywords)

    return looked


def entered(context: Callable[..., AbstractContextManager[None]]) -> Callable[..., None]:
    def enter(**keywords: object) -> None:
        with context(**keywords):
            pass

    return enter


NAMES = (
    "Dataset Dropping keep_mask GuideBank GuideWriter RunRandom Schedule TensorImages ViewDataset ViewPlan ViewSampler "
    "ViewRenderer pixels gather drop_words order build_model dense_guidance_loss load_dataset "
    "run rehearse views item load_model load_weights load_card kept_share image batch weights_digest own_cores "
    "choose_waiting describe_waiting expect to check_forward DumpSettings Provenance"
).split()


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_gives_a_raw_error(calls, name: str) -> None:
    """Each argument in turn is replaced by what a caller may give by mistake: it works or is told, and nothing else."""
    call, keywords = calls[name]
    close(call(**keywords))
    told = dict.fromkeys(keywords, 0)
    for argument in keywords:
        for other in OTHERS:
            try:
                close(call(**{**keywords, argument: other}))
            except DgkdError as error:
                told[argument] += 1
                given = f"{name}({argument}={describe_value(other)})"
                assert error.problem and (error.expected or error.do), f"{given}: {error}"
            except Exception as error:
                raise AssertionError(
                    f"{name}({argument}={describe_value(other)}): {type(error).__name__} {error}"
                ) from error
    unrefused = {argument for argument, times in told.items() if not times}
    assert unrefused <= ANY_VALUE.get(name, set()), f"{name} takes anything as {unrefused}"


def close(made: object) -> None:
    if isinstance(made, dgkd.GuideBank):
        made.close()


def test_all_public_calls_are_among_them() -> None:
    others = {"Images", "GuidanceLoss"}  # to be subclassed, and a result
    others |= {name for name in dgkd.__all__ if name in vars(errors)}
    assert {name for name in dgkd.__all__} - others <= set(NAMES)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "GuideBank",
            {"stores": "guides/a.zarr"},
            r"a list of paths.*found 'guides/a.zarr'; write \['guides/a.zarr'\]",
        ),
        ("GuideBank", {"stores": Path("a.zarr")}, r"found .*PosixPath; write \['a.zarr'\]"),
        ("GuideBank", {"scheduled": 4}, r"found 4 \(int\); write scheduled=range\(4\)"),
        ("GuideBank", {"temperature": 0}, r"expected a number > 0, found 0 \(int\)"),
        (
            "GuideWriter",
            {"views": 4},
            r"GuideWriter: the argument 'views' cannot be used.*found 4 \(int\); write views=range\(4\)",
        ),
        ("GuideWriter", {"views": range(0, 8, 2)}, "no views to write: expected .*without gaps"),
        (
            "GuideWriter",
            {"model": lambda x: x},
            r"argument 'model' cannot be used: expected a torch.nn.Module.*<lambda>",
        ),
        ("GuideWriter", {"forward": None}, r"expected a function of uint8 pixels.*write lambda pixels: model\("),
        ("GuideWriter", {"guide": "ta1"}, r"'guide' cannot be used.*write guide=dgkd_cache.Provenance\(name='ta1'\)"),
        ("GuideWriter", {"settings": 4.0}, r"'settings' cannot be used.*write settings=dgkd_cache.DumpSettings\("),
        ("run", {"mine": range(3)}, r"GuideWriter.run: the argument 'mine' .*expected a part of range\(0, 1\)"),
        ("run", {"take_over": 1}, r"GuideWriter.run: the argument 'take_over' cannot be used: expected True or False"),
        ("DumpSettings", {"encoding": "float17"}, "did you mean 'float16'"),
        ("DumpSettings", {"precision": "auto"}, r"DumpSettings: the argument 'precision' .*expected float32 or bf16"),
        ("DumpSettings", {"batch_size": 0}, r"DumpSettings: the argument 'batch_size' cannot be used.*from 1 on"),
        ("Provenance", {"guides": ["ta1"]}, r"Provenance: the argument 'guides' cannot be used: expected a mapping"),
        ("GuideWriter", {"device": "gpu"}, "expected a torch.device that is there"),
        (
            "ViewRenderer",
            {"images": torchvision.datasets.FakeData(3)},
            r"found an object of type torchvision.*FakeData",
        ),
        ("ViewPlan", {"transforms": [v2.RandomCrop(4)]}, r"written as text.*found an object of type torchvision.*Crop"),
        ("ViewPlan", {"transforms": v2.RandomCrop(4)}, r"expected a list like \[\"crop"),
        ("ViewPlan", {"image": (32, 32)}, r"expected channels, height and width, as \(3, 32, 32\)"),
        ("Dropping", {"always": "ta1"}, r"found 'ta1'; write always=\('ta1',\)"),
        (
            "keep_mask",
            {"names": ("a", "b", "c")},
            "expected 4 words, one for each of the guides called a, b, c and one more, found 3 words",
        ),
        ("dense_guidance_loss", {"guides": 1}, r"expected .*\(at most 1, 5, 4\).*found float32 \[2, 5, 4\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(4, dtype=torch.int64)}, r"int64 \(5,\), found int64 \[4\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(5, dtype=torch.bool)}, r"int64 \(5,\), found bool \[5\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(5, dtype=torch.int32)}, r"int64 \(5,\), found int32 \[5\]"),
        (
            "dense_guidance_loss",
            {"labels_B": torch.tensor([0, 1, 2, 3, 4])},
            r"a label names no class: expected labels from 0 to 3, for logits of 4 classes, found 0 to 4",
        ),
        ("dense_guidance_loss", {"labels_B": torch.tensor([0, 1, 2, -100, 3])}, "found -100 to 3"),
        ("run", {"stop": True}, r"GuideWriter.run: the argument 'stop' .*found True .*write stop=lambda: False"),
        ("run", {"progress": print}, r"'progress' .*the methods start, advance, finish, say.*found the function print"),
        ("run", {"progress": Silent}, r"'progress' cannot be used.*found the class dgkd_cache.progress.Silent"),
        ("item", {"pair": (0, 1000)}, r"no such sample: expected samples 0 to \d+ of .*found samples 1000 to 1000"),
        ("item", {"pair": (0, -1)}, "no such sample.*found samples -1 to -1"),
        ("item", {"pair": (-1, 0)}, "no such view: expected a view number from 0 on, found -1"),
        ("item", {"pair": (0.5, 1)}, r"expected \(view, sample\), two integers, found \(0.5, 1\)"),
        ("item", {"pair": 3}, r"found 3 \(int\); give the DataLoader batch_sampler=ViewSampler"),
        (
            "views",
            {"samples_B": [100]},
            r"the schedule does not have: expected 0 to 99, found 100 to 100; write samples=len",
        ),
        ("ViewSampler", {"samples": 101}, r"the schedule does not have: expected 0 to 99, found 0 to 100"),
        (
            "load_model",
            {"folder": None},
            "load_model: the argument 'folder' cannot be used: expected a path",
        ),
        ("load_model", {"folder": 3}, r"load_model: the argument 'folder'.*found 3 \(int\)"),
        (
            "load_weights",
            {"model": "runs/a"},
            r"expected a torch.nn.Module, found 'runs/a'; give the model first",
        ),
        ("own_cores", {"device": 3.5}, "own_cores: the argument 'device' cannot be used"),
        ("choose_waiting", {"environment": None}, r"found None; write choose_waiting\(os.environ\)"),
        (
            "dense_guidance_loss",
            {"labels_B": torch.zeros(5, dtype=torch.int64, device="meta")},
            "on several devices: expected all of them where the student is, found logits_BC on cpu, labels_B on me",
        ),
        ("dense_guidance_loss", {"logits_BC": torch.zeros(5, 4, dtype=torch.int64)}, "a floating-point tensor"),
        ("dense_guidance_loss", {"softened_KBC": torch.zeros(2, 5, 4).bool()}, r"a floating-point tensor \(at most 2"),
        ("image", {"sample": -1}, r"image: the argument 'sample' cannot be used: expected an integer from 0 to \d+"),
        (
            "batch",
            {"samples_B": [0, 10**6]},
            r"expected samples 0 to \d+ of .*found samples 0 to 1000000",
        ),
        ("kept_share", {"names": 3}, "kept_share: the argument 'names' cannot be used"),
        ("weights_digest", {"model": 3}, "'model' cannot be used: expected a torch.nn.Module"),
        ("drop_words", {"step": -1}, r"RunRandom.drop_words: the argument 'step' cannot be used.*found -1"),
        ("drop_words", {"guides": 0.5}, r"RunRandom.drop_words: the argument 'guides' cannot be used"),
        ("order", {"epoch": True}, r"RunRandom.order: the argument 'epoch' cannot be used.*found True"),
        ("pixels", {"views_B": [[0, 1]]}, r"ViewRenderer.pixels: the argument 'views_B' cannot be used"),
        ("pixels", {"samples_B": np.zeros((2, 1))}, r"the argument 'samples_B'.*found float64 \[2, 1\]"),
        ("GuideBank", {"stores": [4]}, r"GuideBank: the argument 'stores' cannot be used: expected the path.*found 4"),
        ("ViewSampler", {"batch_size": True}, r"'batch_size' cannot be used.*found True"),
        (
            "ViewSampler",
            {"step": np.int32(5)},
            r"'step' cannot be used: expected an integer from 0 to 4, found np.int32\(5\)",
        ),
    ],
)
def test_the_way_on_is_in_the_message(calls, name: str, changes: dict[str, Any], words: str) -> None:
    call, keywords = calls[name]
    with pytest.raises(InvalidInput, match=words) as caught:
        call(**{**keywords, **changes})
    assert caught.value.exit_code == 2


def test_a_caller_finds_the_exceptions_beside_the_calls() -> None:
    assert {name for name in errors.__all__ if name[0].isupper()} <= set(dgkd.__all__)
    with pytest.raises(dgkd.InvalidInput):
        dgkd.RunRandom(-1)
    assert issubclass(dgkd.InvalidInput, dgkd.DgkdError) and dgkd.StoreNotFound is errors.StoreNotFound


def test_a_path_may_be_text(tmp_path: Path) -> None:
    with pytest.raises(Incomplete, match=f"no finished model in {tmp_path}"):
        load_model(str(tmp_path))


def test_swapped_arguments_are_told_in_order(bars, plan) -> None:
    with pytest.raises(InvalidInput, match=r"write ViewRenderer\(plan, images\)"):
        dgkd.ViewRenderer(bars.train, plan)
    with pytest.raises(InvalidInput, match="ViewDataset: the argument 'images' cannot be used"):
        dgkd.ViewDataset(plan, bars.train)


def test_numbers_of_numpy_and_paths_of_others_are_taken(bars, plan, three_guides, calls) -> None:
    schedule = dgkd.Schedule("cycle", np.int32(4), random=RANDOM, samples=np.int64(100))
    sampler = dgkd.ViewSampler(schedule, RANDOM, np.int16(100), np.int8(32), epoch=np.int64(3), step=np.uint8(1))
    plain = dgkd.ViewSampler(dgkd.Schedule("cycle", 4, random=RANDOM, samples=100), RANDOM, 100, 32, epoch=3, step=1)
    assert list(sampler) == list(plain)
    assert RANDOM.drop_words(np.int64(7), np.int8(127)).tolist() == RANDOM.drop_words(7, 127).tolist()
    views = dgkd.ViewRenderer(plan, bars.train)
    with dgkd.GuideBank([OtherPath(three_guides[0])], views=views, scheduled=range(3), temperature=4.0) as bank:
        assert len(bank.names) == 1
    call, keywords = calls["GuideWriter"]
    call(**{**keywords, "path": OtherPath(keywords["path"])})
    with pytest.raises(InvalidInput, match="'path' cannot be used"):
        call(**{**keywords, "path": OtherPath(b"a.zarr")})


class OtherPath:
    def __init__(self, path: Path | bytes) -> None:
        self.path = path

    def __fspath__(self) -> str | bytes:
        return self.path if isinstance(self.path, bytes) else str(self.path)


def test_arrays_are_described_by_type_and_shape() -> None:
    assert describe_value(torch.zeros(2, 5, dtype=torch.bfloat16)) == "bfloat16 [2, 5]"
    assert describe_value(np.zeros((3, 1), np.bool_)) == "bool [3, 1]"
    assert describe_value(np.int32(3)) == "np.int32(3) (numpy.int32)"


def test_numbers_of_numpy_are_numbers() -> None:
    require_integer("f", "n", np.int32(3), low=0, high=3)
    require_number("f", "x", np.float32(0.5), low=0, high=1)
    for wrong in (np.float32(np.inf), np.bool_(True), "1", 2.5):
        with pytest.raises(InvalidInput, match="f: the argument 'x' cannot be used"):
            require_number("f", "x", wrong, low=0, high=1)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, None, "an integer from 0 on"),
        (1, 5, "an integer from 1 to 5"),
        (-(2**63), 2**64 - 1, r"an integer from -2\*\*63 to 2\*\*64 - 1"),
        (0, 2**63 - 1, r"an integer from 0 to 2\*\*63 - 1"),
        (None, None, "an integer"),
    ],
)
def test_ranges_of_integers_in_words(low: int | None, high: int | None, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"expected {text}, found"):
        require_integer("f", "n", 2.5, low=low, high=high)


def test_any_integer_fits_where_there_is_no_limit() -> None:
    require_integer("f", "n", -(2**70))
