"""The public calls: each argument of another kind is refused by name, with what was expected, found, and a way on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from support.arguments import MISTAKES, Calls, arguments_never_refused
from support.public_calls import RANDOM, public_calls
from torch import nn
from torchvision.transforms import v2

import dgkd_cache as dgkd
from dgkd_cache import errors
from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import describe_value

OTHERS = (*MISTAKES, torch.zeros(3), v2.RandomCrop(4), nn.Linear(2, 2), torchvision.datasets.FakeData(3))

ANY_VALUE = {"load_dataset": {"download"}}
"""Arguments that are only asked whether they are true."""


@pytest.fixture
def calls(bars, plan, make_tiny, three_guides, tmp_path: Path) -> Calls:
    return public_calls(bars, plan, make_tiny, three_guides[0], tmp_path)


NAMES = (
    "from_logits repair "
    "Dataset Dropping keep_mask GuideBank GuideWriter RunRandom Schedule TensorImages ViewDataset ViewPlan ViewSampler "
    "ViewRenderer pixels mixed_with gather order build_model dense_guidance_loss GuideLoss load_dataset "
    "loader set_epoch load_state_dict loss loss_parts batch_to evaluate register_model register_dataset "
    "Workspace run_chain "
    "run rehearse views item load_model load_weights load_card kept_share image batch weights_digest own_cores "
    "choose_waiting describe_waiting expect to check_forward DumpSettings Provenance PrintProgress"
).split()


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_gives_a_raw_error(calls, name: str) -> None:
    """Each argument in turn is replaced by what a caller may give by mistake: it works or is told, and nothing else."""
    call, keywords = calls[name]
    call(**keywords)
    assert arguments_never_refused(name, call, keywords, OTHERS) <= ANY_VALUE.get(name, set())


def test_all_public_calls_are_among_them() -> None:
    others = {"Images", "Progress", "GuideStore"}  # to be subclassed, and tested with the calls of the stores
    others |= {"GuidanceLoss", "GuidedBatch", "GuideLoader", "ModelCard", "Score", "ChainRow"}  # results
    others |= {name for name in dgkd.__all__ if name in vars(errors)}
    assert {name for name in dgkd.__all__} - others <= set(NAMES)


def test_a_caller_finds_the_exceptions_beside_the_calls() -> None:
    assert {name for name in errors.__all__ if name[0].isupper()} <= set(dgkd.__all__)
    with pytest.raises(dgkd.InvalidInput):
        dgkd.RunRandom(-1)
    assert issubclass(dgkd.InvalidInput, dgkd.DgkdError) and dgkd.StoreNotFound is errors.StoreNotFound


def test_numbers_of_numpy_and_paths_of_others_are_taken(bars, plan, three_guides, calls) -> None:
    schedule = dgkd.Schedule("cycle", np.int32(4), random=RANDOM, samples=np.int64(100))
    sampler = dgkd.ViewSampler(schedule, RANDOM, np.int16(100), np.int8(32), epoch=np.int64(3), step=np.uint8(1))
    plain = dgkd.ViewSampler(dgkd.Schedule("cycle", 4, random=RANDOM, samples=100), RANDOM, 100, 32, epoch=3, step=1)
    assert list(sampler) == list(plain)
    names = [f"g{i}" for i in range(9)]
    dropping = dgkd.Dropping(keep=0.5)
    assert dropping.keep_mask(RANDOM, np.int64(7), names).tolist() == dropping.keep_mask(RANDOM, 7, names).tolist()
    with dgkd.GuideBank([OtherPath(three_guides[0])], bars.train) as bank:
        assert len(bank.names) == 1
        integers = {"batch_size": np.int8(32), "epochs": np.int16(2), "seed": np.int64(3), "first_step": np.uint8(5)}
        loader = bank.loader(**integers)
        plain = bank.loader(**{name: int(number) for name, number in integers.items()})
        assert [one.samples.tolist() for one in loader] == [one.samples.tolist() for one in plain]
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
