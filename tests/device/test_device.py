"""The machine that computes: its device, what `auto` means on it, and how it is recorded."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from dgkd_cache.device import device as compute
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.device import (
    autocast,
    choose,
    place,
    resolve_device,
    resolve_precision,
    send,
    usable_device,
)
from dgkd_cache.errors import InvalidInput

CPU = torch.device("cpu")

FLOAT32, BF16 = (Combination(precision=name, channels_last=True) for name in ("float32", "bf16"))


def test_precision_of_a_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "unit_of", lambda device: "AVX-512 bf16")
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("auto", CPU) == resolve_precision("auto", CPU, begun="None") == "bf16"
    assert resolve_precision("auto", CPU, begun="float32") == "float32"
    with pytest.raises(InvalidInput, match="expected auto, float32 or bf16, found float64"):
        resolve_precision("float64", CPU)


def test_a_gpu_takes_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 0)
    for native, precision in ((True, "bf16"), (False, "float32")):
        monkeypatch.setattr(compute, "bf16_is_native", lambda device, native=native: native)
        assert choose(gpu) == Combination(precision=precision, channels_last=True)
        assert choose(gpu, precision="float32") == FLOAT32
        assert choose(gpu, channels_last=False) == Combination(precision=precision, channels_last=False)


def test_no_clock_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("time", "perf_counter", "perf_counter_ns", "monotonic", "thread_time", "process_time"):
        monkeypatch.setattr(time, name, lambda name=name: pytest.fail(f"time.{name} was read"))
    choose(CPU)


@pytest.mark.parametrize("name", ["cuda:99", "meta", "gpu", "cpu:x", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="expected auto, cpu, cuda or cuda:N of this machine, found") as caught:
        resolve_device(name)
    assert caught.value.exit_code == 2


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert resolve_device("auto").type == kind
    assert resolve_device("cpu") == CPU


def test_an_argument_may_be_any_device_that_is_there() -> None:
    assert usable_device("meta", call="f").type == "meta" and usable_device(CPU, call="f") is not None
    with pytest.raises(InvalidInput, match="f: the argument 'device' cannot be used"):
        usable_device("cuda:99", call="f")


def test_what_is_placed_is_the_module_itself_in_that_format() -> None:
    module = torch.nn.Conv2d(4, 8, 3)
    for channels_last in (True, False):
        assert place(module, CPU, channels_last=channels_last) is module
        assert module.weight.is_contiguous(memory_format=torch.channels_last) is channels_last


def test_bf16_is_what_autocast_computes_in() -> None:
    layer, images = torch.nn.Linear(4, 4), torch.ones(2, 4)
    for precision, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(CPU, precision):
            assert layer(images).dtype == dtype


def test_arrays_are_sent_as_they_are() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    sent = send(array, CPU)
    assert sent.dtype == torch.uint8 and sent.tolist() == [[0, 1, 2], [3, 4, 5]]
