"""The choice of `auto`: a table over named capabilities. It reads no clock, and a busy machine changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from dgkd_cache.device import autotune
from dgkd_cache.device.autotune import Combination, combination, processor_unit
from dgkd_cache.device.device import choose

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
