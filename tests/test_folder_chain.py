"""A folder of 256-pixel JPEGs of several sizes, through resized-crop, with torchvision's resnet18 as a guide."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dgkd_cli.main import main
from dgkd_stores import GuideStore

SIZES = ((256, 256), (256, 300), (341, 256))  # height, width


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, coarse stripes that run down or across; one class has its images in sub-folders."""
    root = tmp_path_factory.mktemp("stripes")
    random = np.random.Generator(np.random.PCG64(0))
    for split, count in (("train", 6), ("val", 2)):
        for label, name in enumerate(("across", "down")):
            for i in range(count):
                height, width = SIZES[i % len(SIZES)]
                place = root / split / name / (f"batch{i % 2}" if label else "")
                place.mkdir(parents=True, exist_ok=True)
                wave = np.sin(np.arange(width if label else height) / 12 + random.uniform(0, 6)) * 90 + 128
                grey = np.broadcast_to(wave if label else wave[:, None], (height, width))
                noise = random.normal(0, 12, (height, width, 3))
                pixels = (grey[..., None] + noise).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{i:02}.jpg", quality=90)
    return root


def dgkd(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_the_whole_chain(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dgkd(
        *("init", "--dataset", f"folder:{folder}", "--chain", "torchvision:resnet18,resnet8"),
        *("--transforms", "resized-crop(48),hflip", "--epochs", "1", "--views", "2", "--batch-size", "8"),
        *("--lr", "0.02", "ws"),
    )
    rows = json.loads(dgkd("-w", "ws", "run", "--json"))
    assert [row["state"] for row in rows] == ["done", "done"]
    with GuideStore.open(tmp_path / "ws" / "guides" / "teacher.zarr") as store:
        header = store.header
        assert (header.probe, header.dataset.sample_digest) == ("projection", "file")
        assert (header.dataset.samples, header.dataset.test_samples) == (12, 4)
        assert header.dataset.classes == ("across", "down")
        assert store.gather([0, 1], [3, 3]).shape == (2, 2)
    card = json.loads((tmp_path / "ws" / "runs" / "teacher" / "card.json").read_text())
    # The guide sees 224 pixels and the student 48, of the same view.
    assert (card["height"], card["preprocess"]["input_size"]) == (48, 224)


def test_one_unreadable_image_is_named_and_nothing_is_begun(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken"
    for path in sorted(folder.rglob("*.jpg")):
        copy = broken / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    dgkd("init", "--dataset", f"folder:{broken}", "--chain", "resnet14,resnet8", "ws")
    victim = broken / "train" / "across" / "03.jpg"
    victim.write_bytes(victim.read_bytes()[:400])
    result = CliRunner().invoke(main, ["-w", "ws", "run"])
    assert result.exit_code == 1 and f"{broken}/train" in result.stderr and "found across/03.jpg" in result.stderr
    assert not (tmp_path / "ws" / "runs").exists()
