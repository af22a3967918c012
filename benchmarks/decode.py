"""JPEGs decoded by each library that may do it, and by a data set beside its library alone.

Each installed library gets the bytes of a file and makes 8-bit RGB in memory, in one thread. A data set also reads the
file, compares its digest and gives images in their order. It is timed beside the same library, which reads and decodes
the same files in as many threads. Photographs are made here: random colours with grain, 500 x 375 pixels. `--folder`
adds the JPEGs below a folder.
"""

from __future__ import annotations

import importlib
import io
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Span, arguments, at_least, finish, ratio, rounds, scratch, seconds
from benchmarks.result import Row
from dgkd_cache.datasets.decoders import DecoderName
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

WIDTH, HEIGHT, GRAIN = 500, 375, 14
Decode = Callable[[bytes], object]


def main(given: Sequence[str] | None = None) -> None:
    defaults: dict[str, int | str] = {"rounds": 31, "files": 256, "size": 224, "folder": ""}
    quick = {"rounds": 1, "files": 12, "size": 32}
    options = arguments(__doc__, defaults, quick, given)
    with scratch(options) as place:
        photographs(place / "train", options.files)
        kinds = {f"photographs of {WIDTH} x {HEIGHT}": place / "train"}
        if options.folder:
            kinds["the JPEGs below --folder"] = Path(options.folder)
        rows, notes, found = list[Row](), list[str](), libraries()
        for what, folder in kinds.items():
            paths = list(itertools.islice(sorted(folder.rglob("*.jp*g")), options.files))
            contents = [path.read_bytes() for path in paths]
            notes.append(f"{what}: {len(contents)} files of {sum(map(len, contents)) / len(contents) / 1e3:.1f} kB")
            times = rounds({name: _timed(decode, contents) for name, decode in found.items()}, options.rounds)
            rows += [
                ratio(f"{what}, one thread: {name}", times, over="pillow", under=name, floor_is="as fast as Pillow")
                for name in found
                if name != "pillow"
            ]
        rows += _of_data_sets(place / "train", found, options.size, options.rounds)
    versions = {name: version(_PACKAGES.get(name, name)) for name in found}
    finish("decode", "Decoding JPEGs", rows, options, notes, **versions)


def libraries() -> dict[str, Decode]:
    """Returns for each installed library what decodes the bytes of a JPEG; Pillow is the first."""
    found: dict[str, Decode] = {"pillow": _pillow}
    for name, make in (
        ("torchvision", _torchvision),
        ("torchcodec", _torchcodec),
        ("simplejpeg", _simplejpeg),
        ("turbojpeg", _turbojpeg),
    ):
        try:
            found[name] = make()
        except (ImportError, OSError, RuntimeError):  # not installed, or without the library of the system below it
            continue
    return found


_PACKAGES = {"turbojpeg": "PyTurboJPEG"}


def photographs(folder: Path, files: int) -> None:
    """Writes so many photographs in two classes, of about 100 kB each, like those of ImageNet."""
    random = np.random.default_rng(0)
    for number in range(files):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int64)
        grain = random.normal(0, GRAIN, (HEIGHT // 2 + 1, WIDTH // 2, 1)).repeat(2, axis=0).repeat(2, axis=1)[:HEIGHT]
        path = folder / f"class{number % 2}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def _of_data_sets(folder: Path, found: Mapping[str, Decode], size: int, count: int) -> list[Row]:
    """Returns the rows of decoding as a dump does it, and of its views, each beside the library alone."""
    names: tuple[DecoderName, ...] = ("pillow", "torchcodec")
    return [row for name in names if name in found for row in _of_data_set(folder, name, found[name], size, count)]


def _of_data_set(folder: Path, decoder: DecoderName, decode: Decode, size: int, count: int) -> list[Row]:
    images = FolderImages(folder, name="photographs", split="train", hold_bytes=0, decoder=decoder)
    plan = ViewPlan.build(image=(3, None, None), transforms=[f"resized-crop({size})", "hflip"], decoder=decoder)
    views, samples = ViewRenderer(plan, images), np.arange(len(images))
    paths, threads = sorted(folder.rglob("*.jpg")), images.threads

    def read(path: Path) -> None:
        decode(path.read_bytes())

    def alone(round: int) -> Span:
        with ThreadPoolExecutor(threads) as pool:
            return seconds(lambda: list(pool.map(read, paths)), len(paths))

    def data_set(round: int) -> Span:
        return seconds(lambda: [image_IHW.shape for image_IHW in images.each(samples)], len(paths))

    def rendered(round: int) -> Span:
        return seconds(lambda: views.pixels(np.full(len(samples), max(round, 0)), samples), len(paths))

    sides = {"alone": alone, "data set": data_set, f"views at {size} px": rendered}
    times = rounds(sides, count)
    how = f"{decoder}, {threads} thread{'s' if threads > 1 else ''}"
    told = ("decoding alone", "resizing for nothing")
    return [
        ratio(f"{under}, {how}", times, over="alone", under=under, floor_is=floor, bar=bar)
        for under, floor, bar in zip(list(sides)[1:], told, (at_least(0.9), None), strict=True)
    ]


def _timed(decode: Decode, contents: Sequence[bytes]) -> Callable[[int], Span]:
    def work() -> None:
        for content in contents:
            decode(content)

    return lambda round: seconds(work, len(contents))


def _pillow(content: bytes) -> object:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def _torchvision() -> Decode:
    module = importlib.import_module("torchvision.io")
    mode = module.ImageReadMode.RGB
    warnings.filterwarnings("ignore", message=".*TorchVision are deprecated", category=DeprecationWarning)
    return lambda content: module.decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), mode=mode)


def _torchcodec() -> Decode:
    return partial(importlib.import_module("torchcodec.decoders").decode_jpeg, mode="RGB")


def _simplejpeg() -> Decode:
    return partial(importlib.import_module("simplejpeg").decode_jpeg, colorspace="RGB")


def _turbojpeg() -> Decode:
    module = importlib.import_module("turbojpeg")
    return partial(module.TurboJPEG().decode, pixel_format=module.TJPF_RGB)


if __name__ == "__main__":
    main()
