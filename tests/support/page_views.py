"""The transforms of stores/FORMAT.md a second time, from the page alone: Python integers, one pixel after the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from support.page_pixels import (
    FACTORS,
    Planes,
    autocontrast,
    blur,
    equalize,
    erased,
    grey,
    hue,
    mapped,
    nearest,
    q,
    sharpness,
    shift,
)

__all__ = ["Planes", "below", "mixed", "parameters_of", "partner_of", "pixels_of", "share_of"]


def below(w: int, n: int) -> int:
    return ((w >> 32) * n) >> 32


def value(k: int, low: int, high: int) -> int:
    return low + ((high - low) * (2 * k + 1) >> 17)


def chance(w: int, p: str) -> int:
    return int(w >> 32 < q(p, 32))


WORDS: dict[str, int] = {
    **{"none": 0, "crop": 2, "hflip": 1, "resized-crop": 11, "color-jitter": 5, "blur": 2, "rotate": 1, "shear": 1},
    **{"translate": 2, "trivial-augment": 1, "auto-augment": 3, "erasing": 12},
    **{"mixup": 2, "cutmix": 3},
}
"""Words of a sample; rand-augment has as many as operations, and those that are not here have one."""


def parameters_of(each: dict[str, Any], next_word: Callable[[], int]) -> list[int]:
    """The parameters of a transform, by the column of that name."""
    name = each["name"]
    w = [next_word() for _ in range(each["operations"] if name == "rand-augment" else WORDS.get(name, 1))]
    if name == "none":
        return []
    if name == "crop":
        return [below(one, 2 * each["padding"] + 1) for one in w]
    if name == "hflip":
        return [below(w[0], 2)]
    if name == "resized-crop":
        low, high = each["area_q24"]
        boxes = [64 * (low + below(x, high - low)) + ((x & 0xFFFFFFFF) * 64 >> 32) for x in w[:10]]
        return [*boxes, w[10] >> 32, w[10] & 0xFFFFFFFF]
    if name == "color-jitter":
        return [below(w[0], 24), *(below(one, 65536) for one in w[1:])]
    if name == "blur":
        return [chance(w[0], each["probability"]), below(w[1], 64)]
    if name in ("rotate", "shear"):
        return [below(w[0], 512)]
    if name == "translate":
        return [below(one, 65536) for one in w]
    if name == "trivial-augment":
        return [below(w[0], 868)]
    if name == "rand-augment":
        return [below(one, 28) for one in w]
    if name == "auto-augment":
        i = below(w[0], 25)
        drawn = [
            0 if one >> 32 >= c else 1 + (one >> 31 & 1)
            for one, (_, c, _) in zip(w[1:], each["sub_policies"][i], strict=True)
        ]
        return [i, *drawn]
    if name == "erasing":
        boxes = [64 * (335544 + below(x, 5200937)) + ((x & 0xFFFFFFFF) * 64 >> 32) for x in w[1:11]]
        return [chance(w[0], each["probability"]), *boxes, w[11] >> 32, w[11] & 0xFFFFFFFF]
    if name == "mixup":
        return [w[0] >> 32, below(w[1], 1024)]
    if name == "cutmix":
        return [w[0] >> 32, below(w[1], 1024), w[2] >> 32, w[2] & 0xFFFFFFFF]
    return [chance(w[0], each["probability"])]


def partner_of(sample: int, drawn: int, words: Sequence[int], held_out: int) -> int:
    """The sample that is mixed in; `words` are those by which samples are held out, one a sample."""
    by_word = sorted(range(len(words)), key=lambda i: (words[i], i))
    held = by_word[:held_out]
    part = sorted(held if sample in held else by_word[held_out:])
    k = drawn * (len(part) - 1) >> 32
    return part[k + 1 if k >= part.index(sample) else k]


def _outside(each: dict[str, Any], values: Sequence[int], height: int, width: int) -> list[list[bool]]:
    """Returns True where a cutmix shows the sample itself."""
    cut, (y, x) = 65536 - each["ratio_q16"][values[1]], values[2:]
    spans = []
    for side, drawn in ((height, y), (width, x)):
        half, centre = math.isqrt(side * side * cut >> 18), side * drawn >> 32
        spans.append(range(centre - half, centre + half))
    return [[row not in spans[0] or column not in spans[1] for column in range(width)] for row in range(height)]


def mixed(own: Planes, partner: Planes, each: dict[str, Any], values: Sequence[int]) -> Planes:
    """The pixels of a mixup or a cutmix, from those of both samples in the same view."""
    share = each["ratio_q16"][values[1]]
    outside = _outside(each, values, len(own[0]), len(own[0][0])) if each["name"] == "cutmix" else []

    def pixel(x: int, other: int, row: int, column: int) -> int:
        if outside:
            return x if outside[row][column] else other
        return (x * share + other * (65536 - share) + 32768) >> 16

    return [
        [
            [pixel(x, other, row, column) for column, (x, other) in enumerate(zip(mine, others, strict=True))]
            for row, (mine, others) in enumerate(zip(plane, of_partner, strict=True))
        ]
        for plane, of_partner in zip(own, partner, strict=True)
    ]


def share_of(each: dict[str, Any], values: Sequence[int], height: int, width: int) -> Fraction:
    """The share of the sample's own label."""
    if each["name"] == "mixup":
        return Fraction(each["ratio_q16"][values[1]], 65536)
    return Fraction(sum(map(sum, _outside(each, values, height, width))), height * width)


def pixels_of(image: Planes, each: dict[str, Any], values: Sequence[int]) -> Planes:
    """The pixels after a transform from color-jitter on, by the column of that name."""
    name, height, width = each["name"], len(image[0]), len(image[0][0])
    if name == "color-jitter":
        keys = ("brightness", "contrast", "saturation", "hue")
        for kind in list(itertools.permutations(range(4)))[values[0]]:
            d, k = q(each[keys[kind]]), values[1 + kind]
            if each[keys[kind]] == "0":
                continue
            if keys[kind] == "hue":
                image = hue(image, value(k, -6 * d, 6 * d))
            else:
                image = FACTORS[keys[kind]](image, value(k, max(0, 65536 - d), 65536 + d))
        return image
    if name in ("rotate", "shear"):
        place, sign = (values[0] - 256, 1) if values[0] >= 256 else (255 - values[0], -1)
        if name == "rotate":
            cos, sin = each["cos_sin_q30"][place]
            return nearest(image, (cos, -sign * sin, 0), (sign * sin, cos, 0))
        return nearest(image, (2**30, sign * each["tan_q30"][place], 0), (0, 2**30, 0))
    if name == "translate":
        d = q(each["fraction"])
        right, down = (
            (side * d * (2 * k - 65535) + 2**31) >> 32 for side, k in zip((width, height), values, strict=True)
        )
        return shift(image, right, down)
    if name == "trivial-augment":
        (v,) = values
        return operation(image, each, v // 62, v // 2 % 31, v % 2 == 1)
    if name == "rand-augment":
        for v in values:
            image = operation(image, each, v // 2, each["magnitude"], v % 2 == 1)
        return image
    if name == "auto-augment":
        for (number, _, k), drawn in zip(each["sub_policies"][values[0]], values[1:], strict=True):
            if drawn:
                image = operation(image, each, number, k, drawn == 2)
        return image
    if values[0] == 0:
        return image
    if name == "grayscale":
        return [grey(image)] * len(image)
    if name == "posterize":
        return mapped(image, lambda x: x >> (8 - each["bits"]) << (8 - each["bits"]))
    if name == "solarize":
        return mapped(image, lambda x: 255 - x if x >= each["threshold"] else x)
    if name == "sharpness":
        return sharpness(image, q(each["factor"]))
    if name == "blur":
        return blur(image, each["weights_q16"][values[1]])
    if name == "erasing":
        return erased(image, each["ratio_q16"], values)
    return {"autocontrast": autocontrast, "equalize": equalize}[name](image)


def operation(image: Planes, each: dict[str, Any], number: int, k: int, negative: bool) -> Planes:
    """An operation of the policies."""
    trivial, height, width = each["name"] == "trivial-augment", len(image[0]), len(image[0][0])
    m = Fraction(k, 9 if each["name"] == "auto-augment" else 30)
    s, b, e = (Fraction(99, 100), 6, Fraction(99, 100)) if trivial else (Fraction(3, 10), 4, Fraction(9, 10))
    z = -1 if negative else 1
    t = z * q(m * s, 30)
    if number == 1:
        return nearest(image, (2**30, t, t * height), (0, 2**30, 0))
    if number == 2:
        return nearest(image, (2**30, 0, 0), (t, 2**30, t * width))
    if number in (3, 4):
        side = width if number == 3 else height
        by = z * math.floor(m * (32 if trivial else Fraction(150, 331) * side))
        return shift(image, by, 0) if number == 3 else shift(image, 0, by)
    if number == 5:
        cos, sin = each["cos_sin_q30"][k]
        return nearest(image, (cos, -z * sin, 0), (z * sin, cos, 0))
    if number in (6, 7, 8):
        return FACTORS[("brightness", "saturation", "contrast")[number - 6]](image, 65536 + z * q(m * e))
    if number == 9:
        return sharpness(image, 65536 + z * q(m * e))
    if number == 10:
        lost = math.floor(m * b + Fraction(1, 2))
        return mapped(image, lambda x: x >> lost << lost)
    if number == 11:
        return mapped(image, lambda x: 255 - x if x >= 255 - math.floor(255 * m) else x)
    whole = {0: lambda same: same, 12: autocontrast, 13: equalize, 14: lambda same: mapped(same, lambda x: 255 - x)}
    return whole[number](image)
