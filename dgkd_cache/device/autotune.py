"""Chooses precision and memory format for `auto` from a table of device abilities.

Nothing is timed: the same recipe on the same processor gets the same choice and the same weights, however busy the
machine is. `benchmarks/autotune.py` measures the cost of every combination; the figures are in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["COMBINATIONS", "Auto", "Combination", "Rule", "combination", "processor_unit", "rule_for"]

Auto = Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A precision (`float32` or `bf16` autocast) and a memory format."""

    precision: str
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.precision}, {'channels last' if self.channels_last else 'contiguous'}"


COMBINATIONS = tuple(
    Combination(precision=precision, channels_last=last) for last in (False, True) for precision in ("float32", "bf16")
)
"""All combinations."""


@dataclass(frozen=True, kw_only=True)
class Rule(Combination):
    """The choice of `auto` on a kind of device, and the measured reason."""

    because: str


# bf16 rounds coarsely, so it is chosen only if training is at least 1.2 times as fast. The model's family is not in the
# table: at 28 and 32 pixels residual, plain and VGG networks agree. Channels last is 1.0 to 1.9 times as fast in
# float32; in bf16, 0.92 (resnet8) to 1.8 times (plain2). At 8 pixels bf16 wins little (0.8 to 1.3 times).
RULES: dict[str, Rule] = {
    "AVX-512 bf16": Rule(
        precision="bf16", channels_last=True, because="1.5 to 2.3 times as fast as float32 at 32 pixels"
    ),
    "GPU bf16": Rule(precision="bf16", channels_last=True, because="its tensor cores take both; not measured"),
}
"""Rules by kind of device; `processor_unit` gives the kind of a CPU."""

ELSEWHERE = Rule(precision="float32", channels_last=True, because="bf16 is emulated or was not measured")
"""The rule for every other kind of device."""


def processor_unit(capability: str, flags: Mapping[str, object]) -> str:
    """Returns the kind of a CPU: the vector unit that torch uses, with bf16 if it multiplies in it.

    `capability` is torch.backends.cpu.get_cpu_capability(), which ATEN_CPU_CAPABILITY lowers. `flags` are
    torch.cpu.get_capabilities(), the CPU's own. ONEDNN_MAX_CPU_ISA is ignored.
    """
    if flags.get("arm_bf16"):
        return "ARM bf16"
    native = capability == "AVX512" and (flags.get("avx512_bf16") or flags.get("amx_bf16"))
    return f"{capability.replace('AVX512', 'AVX-512')}{' bf16' if native else ''}"


def rule_for(unit: str) -> Rule:
    """Returns the rule for a kind of device."""
    return RULES.get(unit, ELSEWHERE)


def combination(unit: str, *, precision: str = "auto", channels_last: bool | Auto = "auto") -> Combination:
    """Returns the combination for a kind of device; only `auto` values are chosen."""
    rule = rule_for(unit)
    return Combination(
        precision=rule.precision if precision == "auto" else precision,
        channels_last=rule.channels_last if channels_last == "auto" else channels_last,
    )
