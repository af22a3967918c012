"""Tiny trees in the formats of ImageNet and Tiny ImageNet, written here from the formats' descriptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

WORDS = {"n01440764": "tench, Tinca tinca", "n02012849": "crane", "n03126707": "crane"}
"""Three classes of ILSVRC2012, of which two are called by the same word."""

NUMBERS = {"n01440764": 449, "n02012849": 23, "n03126707": 170}
"""Numbers of synsets in a devkit, which are in no order."""

VAL = ("n03126707", "n01440764", "n02012849", "n01440764", "n03126707")
"""The class of validation image 1, 2, ..."""

KAGGLE = "LOC_val_solution.csv"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def write_jpeg(path: Path, seed: int, height: int = 8, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels_HWI = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWI).save(path, "JPEG", quality=90)


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08}.JPEG"


def write_imagenet(root: Path, form: str) -> Path:
    """Writes 3 + 2 images of each form: val/ in `folders`, or flat with the truth of `kaggle` or of the `devkit`."""
    for label, synset in enumerate(WORDS):
        for number in range(3):
            height = 8 + (label + number) % 3
            write_jpeg(root / "train" / synset / f"{synset}_{number}.JPEG", 10 * label + number, height)
    for number, synset in enumerate(VAL, start=1):
        above = root / "val" / synset if form == "folders" else root / "val"
        write_jpeg(above / val_name(number), 100 + number)
    if form == "kaggle":
        write_solution(root, VAL)
    if form == "devkit":
        (root / TRUTH).write_text("".join(f"{NUMBERS[synset]}\n" for synset in VAL))
        write_meta(root / "meta.mat")
    return root


def write_solution(root: Path, val: tuple[str, ...]) -> None:
    """The box of an image, of some of them two, follows its synset; images are in no order."""
    lines = []
    for number, synset in enumerate(val, start=1):
        boxes = [f"{synset} 1 2 {number} 8 "] * (1 + number % 2)
        lines.append(f"{val_name(number).removesuffix('.JPEG')},{''.join(boxes)}\n")
    (root / KAGGLE).write_text("ImageId,PredictionString\n" + "".join(reversed(lines)))


def write_meta(path: Path, numbers: dict[str, int] | None = None) -> None:
    """Writes the struct array of the devkit's meta.mat: the synsets, and one that has them as its children."""
    rows = [(number, synset, WORDS[synset], "a gloss", 0.0) for synset, number in (numbers or NUMBERS).items()]
    rows.append((1001, "n00001740", "entity", "all of it", 3.0))
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    synsets = np.zeros((len(rows), 1), dtype=[(name, object) for name in fields])
    for place, row in enumerate(rows):
        synsets[place, 0] = row
    savemat(path, {"synsets": synsets})


def write_tiny(root: Path) -> Path:
    """Writes Tiny ImageNet with three classes: boxes beside the training images, a test set without labels."""
    for label, synset in enumerate(WORDS):
        for number in range(3):
            write_jpeg(root / "train" / synset / "images" / f"{synset}_{number}.JPEG", 10 * label + number)
        (root / "train" / synset / f"{synset}_boxes.txt").write_text(f"{synset}_0.JPEG\t0\t0\t7\t7\n")
    lines = []
    for number, synset in enumerate(VAL):
        write_jpeg(root / "val" / "images" / f"val_{number}.JPEG", 100 + number)
        lines.append(f"val_{number}.JPEG\t{synset}\t0\t0\t7\t7\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    write_jpeg(root / "test" / "images" / "test_0.JPEG", 200)
    (root / "wnids.txt").write_text("".join(f"{synset}\n" for synset in reversed(WORDS)))
    others = {"n00001740": "entity"}
    (root / "words.txt").write_text("".join(f"{synset}\t{words}\n" for synset, words in (others | WORDS).items()))
    return root
