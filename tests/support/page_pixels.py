"""The operations on pixels of stores/FORMAT.md a second time, from the page alone: integers, one pixel at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

__all__ = [
    "FACTORS",
    "Planes",
    "autocontrast",
    "blur",
    "equalize",
    "erased",
    "grey",
    "hue",
    "mapped",
    "nearest",
    "q",
    "sharpness",
    "shift",
]

Planes = list[list[list[int]]]
"""Levels of an image: channels of rows."""


def q(x: Fraction | str, bits: int = 16) -> int:
    return math.floor(Fraction(x) * 2**bits + Fraction(1, 2))


def clip(y: int) -> int:
    return min(255, max(0, y))


def mapped(image: Planes, change: Callable[[int], int]) -> Planes:
    return [[[change(x) for x in row] for row in plane] for plane in image]


def grey(image: Planes) -> list[list[int]]:
    if len(image) == 1:
        return image[0]
    return [
        [(2989 * r + 5870 * g + 1140 * b) // 10_000 for r, g, b in zip(*rows, strict=True)]
        for rows in zip(*image, strict=True)
    ]


def brightness(image: Planes, f: int) -> Planes:
    return mapped(image, lambda x: clip(f * x >> 16))


def contrast(image: Planes, f: int) -> Planes:
    levels = [x for row in grey(image) for x in row]
    other = (65536 - f) * sum(levels) // len(levels)
    return mapped(image, lambda x: clip((f * x + other) >> 16))


def saturation(image: Planes, f: int) -> Planes:
    if len(image) == 1:
        return image
    return [
        [
            [clip((f * x + (65536 - f) * g) >> 16) for x, g in zip(row, greys, strict=True)]
            for row, greys in zip(plane, grey(image), strict=True)
        ]
        for plane in image
    ]


FACTORS = {"brightness": brightness, "contrast": contrast, "saturation": saturation}


def hue(image: Planes, t: int) -> Planes:
    if len(image) == 1:
        return image
    turned: Planes = [[[], *([] for _ in image[0][1:])] for _ in image]
    for y, rows in enumerate(zip(*image, strict=True)):
        for r, g, b in zip(*rows, strict=True):
            most, d = max(r, g, b), max(r, g, b) - min(r, g, b)
            n, s = (g - b, 0) if r == most else (b - r, 2) if g == most else (r - g, 4)
            place = 65536 * s + 65536 * n // max(d, 1) + t
            for channel, a in enumerate((5, 3, 1)):
                e = (place + 65536 * a) % 393216
                u = max(0, min(e, 262144 - e, 65536))
                turned[channel][y].append(most - ((d * u + 32768) >> 16))
    return turned


def autocontrast(image: Planes) -> Planes:
    found = []
    for plane in image:
        levels = [x for row in plane for x in row]
        low, high = min(levels), max(levels)
        found += mapped([plane], lambda x, lo=low, hi=high: x if lo == hi else 255 * (x - lo) // (hi - lo))
    return found


def equalize(image: Planes) -> Planes:
    found = []
    for plane in image:
        levels = [x for row in plane for x in row]
        s = (len(levels) - levels.count(max(levels))) // 255
        table = [min(255, (sum(one < x for one in levels) + s // 2) // s) if s else x for x in range(256)]
        found += mapped([plane], table.__getitem__)
    return found


def sharpness(image: Planes, f: int) -> Planes:
    found = [[list(row) for row in plane] for plane in image]
    for plane, out in zip(image, found, strict=True):
        for y in range(1, len(plane) - 1):
            for x in range(1, len(plane[0]) - 1):
                around = sum(sum(row[x - 1 : x + 2]) for row in plane[y - 1 : y + 2])
                n = (2 * (around + 4 * plane[y][x]) + 13) // 26
                out[y][x] = clip((f * plane[y][x] + (65536 - f) * n) >> 16)
    return found


def blur(image: Planes, weights: Sequence[int]) -> Planes:
    radius = len(weights) - 1

    def along(line: Sequence[int], add: int, bits: int) -> list[int]:
        last = len(line) - 1
        sums = []
        for x in range(len(line)):
            places = ((i, abs(x + i)) for i in range(-radius, radius + 1))
            sums.append(sum(weights[abs(i)] * line[min(at, 2 * last - at)] for i, at in places))
        return [(total + add) >> bits for total in sums]

    found = []
    for plane in image:
        halfway = [along(row, 256, 9) for row in plane]
        columns = [along(column, 2**22, 23) for column in zip(*halfway, strict=True)]
        found.append([list(row) for row in zip(*columns, strict=True)])
    return found


def nearest(image: Planes, first: tuple[int, int, int], second: tuple[int, int, int]) -> Planes:
    height, width = len(image[0]), len(image[0][0])
    (a, b, c), (d, e, f) = first, second

    def source(plane: list[list[int]], x: int, y: int) -> int:
        across, down = 2 * x + 1 - width, 2 * y + 1 - height
        column = (a * across + b * down + c + 2**30 * width) >> 31
        row = (d * across + e * down + f + 2**30 * height) >> 31
        return plane[row][column] if 0 <= column < width and 0 <= row < height else 0

    return [[[source(plane, x, y) for x in range(width)] for y in range(height)] for plane in image]


def shift(image: Planes, right: int, down: int) -> Planes:
    return nearest(image, (2**30, 0, -(2**31) * right), (0, 2**30, -(2**31) * down))


def erased(image: Planes, ratios: Sequence[int], values: Sequence[int]) -> Planes:
    _, *attempts, y, x = values
    height, width = len(image[0]), len(image[0][0])
    for attempt in attempts:
        area, r = attempt // 64, ratios[attempt % 64]
        h = (math.isqrt(4 * height * width * area * r >> 40) + 1) >> 1
        w = (math.isqrt(4 * height * width * area // (r << 8)) + 1) >> 1
        if h < height and w < width:
            top, left = y * (height - h + 1) >> 32, x * (width - w + 1) >> 32
            inside = range(top, top + h), range(left, left + w)
            return [
                [
                    [0 if at in inside[0] and i in inside[1] else one for i, one in enumerate(row)]
                    for at, row in enumerate(plane)
                ]
                for plane in image
            ]
    return image
