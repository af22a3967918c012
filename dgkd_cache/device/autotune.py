"""The meaning of `auto` for precision and memory format: a table over what the device can do.

No clock takes part: the same recipe on the same processor gets the same choice, and with it the same weights, however
busy the machine is. `benchmarks/autotune.py` measures what every combination costs; the figures are in
docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["COMBINATIONS", "Auto", "Combination", "Rule", "combination", "processor_unit", "rule_for"]

Auto = Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Combination:
    """The way a network is computed: in `float32` or under `bf16` autocast, and in which memory format."""

    precision: str
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.precision}, {'channels last' if self.channels_last else 'contiguous'}"


COMBINATIONS = tuple(
    Combination(precision=precision, channels_last=last) for last in (False, True) for precision in ("float32", "bf16")
)
"""All there are."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The choice of `auto` on a kind of device, and what was measured there."""

    precision: str
    channels_last: bool
    because: str


# bf16 rounds coarsely: it is taken only where training is at least 1.2 times as fast. The model's family is not in the
# table: at 28 and 32 pixels residual, plain and VGG networks agree. Channels last is 1.0 to 1.9 times as fast in
# float32; in bf16, 0.92 (resnet8) to 1.8 times (plain2). At 8 pixels bf16 wins little (0.8 to 1.3 times).
RULES: dict[str, Rule] = {
    "AVX-512 bf16": Rule(
        precision="bf16", channels_last=True, because="1.5 to 2.3 times as fast as float32 at 32 pixels"
    ),
    "GPU bf16": Rule(precision="bf16", channels_last=True, because="its tensor cores take both; not measured"),
}
"""By the name of a kind of device: `processor_unit` gives it to processors."""

ELSEWHERE = Rule(precision="float32", channels_last=True, because="bf16 is emulated or was not measured")
"""Every other kind of device."""


def processor_unit(capability: str, flags: Mapping[str, object]) -> str:
    """The kind of a processor: the vector unit that torch uses, and bf16 where that multiplies in it.

    `capability` is torch.backends.cpu.get_cpu_capability(), which ATEN_CPU_CAPABILITY lowers; `flags` are
    torch.cpu.get_capabilities(), which are the processor's own. What ONEDNN_MAX_CPU_ISA lowers is not seen.
    """
    if flags.get("arm_bf16"):
        return "ARM bf16"
    native = capability == "AVX512" and (flags.get("avx512_bf16") or flags.get("amx_bf16"))
    return f"{capability.replace('AVX512', 'AVX-512')}{' bf16' if native else ''}"


def rule_for(unit: str) -> Rule:
    """The rule for a kind of device."""
    return RULES.get(unit, ELSEWHERE)


def combination(unit: str, *, precision: str = "auto", channels_last: bool | Auto = "auto") -> Combination:
    """The combination that `auto` means on a kind of device; what is given stands."""
    rule = rule_for(unit)
    return Combination(
        precision=rule.precision if precision == "auto" else precision,
        channels_last=rule.channels_last if channels_last == "auto" else channels_last,
    )
