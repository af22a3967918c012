"""The choice of `auto`: a table over named capabilities. It reads no clock, and a busy machine changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from dgkd_cache.device import autotune, device as compute
from dgkd_cache.device.autotune import Combination, combination, processor_unit
from dgkd_cache.device.device import choose, resolve_precision
from dgkd_cache.errors import InvalidInput

CPU = torch.device("cpu")
ZEN4 = {"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}
SAPPHIRE_RAPIDS = ZEN4 | {"amx_bf16": True}
SKYLAKE = {"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}
HASWELL = {"avx2": True}
GRAVITON3 = {"architecture": "aarch64", "neon": True, "arm_bf16": True}
FLOAT32, BF16 = (Combination(precision=name, channels_last=True) for name in ("float32", "bf16"))


@pytest.mark.parametrize(
    ("capability", "flags", "unit", "chosen"),
    [
        ("AVX512", ZEN4, "AVX-512 bf16", BF16),
        ("AVX512", SAPPHIRE_RAPIDS, "AVX-512 bf16", BF16),
        ("AVX512", SKYLAKE, "AVX-512", FLOAT32),
        ("AVX2", HASWELL, "AVX2", FLOAT32),
        ("AVX2", ZEN4, "AVX2", FLOAT32),  # ATEN_CPU_CAPABILITY=avx2
        ("DEFAULT", GRAVITON3, "ARM bf16", FLOAT32),
        ("SVE256", GRAVITON3, "ARM bf16", FLOAT32),
        ("DEFAULT", {}, "DEFAULT", FLOAT32),
    ],
)
def test_named_capabilities(capability: str, flags: dict[str, object], unit: str, chosen: Combination) -> None:
    assert processor_unit(capability, flags) == unit
    assert combination(unit) == chosen


def test_what_is_given_stands_and_the_rest_is_chosen_beside_it() -> None:
    for unit in [*autotune.RULES, "AVX2"]:
        for precision in ("float32", "bf16"):
            assert combination(unit, precision=precision) == Combination(precision=precision, channels_last=True)
            given = combination(unit, precision=precision, channels_last=False)
            assert given == Combination(precision=precision, channels_last=False)
        assert combination(unit, channels_last=False).precision == combination(unit).precision


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
    assert choose(CPU) == choose(CPU)


START = "import torch; from dgkd_cache.device.device import choose; print(choose(torch.device('cpu')))"


@pytest.mark.slow
def test_a_hundred_starts_under_load_give_one_choice() -> None:
    expected = str(choose(CPU))
    with _busy(), ThreadPoolExecutor(3) as starts:
        assert set(starts.map(_printed, [START] * 100)) == {expected}


def test_a_start_takes_what_the_environment_left_of_the_processor() -> None:
    """ATEN_CPU_CAPABILITY takes AVX-512 from torch: the choice is that of a processor without it."""
    environment = {"ATEN_CPU_CAPABILITY": "avx2"}
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("a processor without AVX-512")
    assert _printed(START, **environment) == "float32, channels last"


def _printed(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def _busy() -> Iterator[None]:
    """Another process loops."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()
