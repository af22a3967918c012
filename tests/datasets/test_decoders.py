"""Decoders: the pixels of each library called by hand, who decodes which file, and versions."""

from __future__ import annotations

import importlib
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import PIL
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from dgkd_cache.config.tables import ViewsConfig, choices
from dgkd_cache.datasets import decoders, file_index, folder as folder_module, kept_pixels
from dgkd_cache.datasets.aligned import AlignedImages
from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.decoders import (
    DecoderName,
    JpegRefused,
    decode,
    decoder_names,
    decoder_version,
    jpeg_pixels,
    library_version,
    require_decoder,
)
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable, InvalidInput, UnknownName
from dgkd_cache.training.evaluate import evaluate

SMOOTH = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((61, 47))
)


def saved(mode: str, form: str = "JPEG", **settings: object) -> bytes:
    Image.fromarray(SMOOTH).convert(mode).save(file := io.BytesIO(), form, **settings)
    return file.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PLAIN = {
    "colour": saved("RGB", quality=90),
    "4:4:4": saved("RGB", subsampling=0),
    "grey": saved("L"),
    "progressive": saved("RGB", progressive=True),
    "RGB without conversion": saved("RGB", keep_rgb=True),
}
TURNED = saved("RGB", exif=turned())
OTHER = {
    "CMYK": saved("CMYK"),
    "PNG": saved("RGB", "PNG"),
    "grey PNG": saved("L", "PNG"),
    "GIF": saved("P", "GIF"),
    "PNG of 16 bits": b"",
}
Image.fromarray(SMOOTH[..., 0].astype(np.uint16) * 257).save(_deep := io.BytesIO(), "PNG")
OTHER["PNG of 16 bits"] = _deep.getvalue()


def lacking() -> str:
    """Returns why torchcodec decodes nothing here: it may not be installed, or be for another version of torch."""
    try:
        library_version("torchcodec")
    except LookupError as error:
        return f"NOT TRIED: decoding by torchcodec. {error.args[0]}; `pip install -e '.[dev]'` gets it"
    return ""


LACKING = lacking()
usable = pytest.mark.skipif(bool(LACKING), reason=LACKING)


def by_hand(content: bytes) -> NDArray[np.uint8]:
    """The pixels [3, H, W] that torchcodec gives."""
    module = importlib.import_module("torchcodec.decoders")
    found: NDArray[np.uint8] = module.decode_jpeg(torch.tensor(list(content), dtype=torch.uint8)).numpy()
    return found


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchcodec is played by Pillow, inverted: so it needs no installation, and no version has the same pixels."""
    usual = decoders._JPEG_DECODERS["torchcodec"]
    changed = replace(usual, pixels=lambda content: 255 - by_pillow(content), version=lambda: "torchcodec 1")
    monkeypatch.setitem(decoders._JPEG_DECODERS, "torchcodec", changed)


def by_pillow(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture.convert("RGB")).transpose(2, 0, 1)


@usable
@pytest.mark.parametrize("form", PLAIN)
def test_plain_jpegs_have_the_pixels_of_their_library(form: str) -> None:
    found = decode(PLAIN[form], "torchcodec")
    assert found.dtype == np.uint8 and found.shape == (3, 47, 61)
    assert np.array_equal(found, by_hand(PLAIN[form])) and jpeg_pixels(PLAIN[form], "torchcodec") is not None
    assert np.array_equal(decode(PLAIN[form]), by_pillow(PLAIN[form])) and jpeg_pixels(PLAIN[form], "pillow") is None
    assert np.abs(found.astype(int) - decode(PLAIN[form]).astype(int)).max() <= 3, "IDCTs differ by rounding alone"


@pytest.mark.parametrize("form", OTHER)
def test_pillow_decodes_all_other_files_under_any_decoder(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = decoders._JPEG_DECODERS["torchcodec"]
    monkeypatch.setitem(decoders._JPEG_DECODERS, "torchcodec", replace(usual, pixels=lambda content: 1 / 0))
    assert jpeg_pixels(OTHER[form], "torchcodec") is None
    expected = np.stack([SMOOTH[..., 0]] * 3) if form == "PNG of 16 bits" else by_pillow(OTHER[form])
    assert np.array_equal(decode(OTHER[form], "torchcodec"), expected)


@usable
def test_exif_turns_nothing_under_any_decoder() -> None:
    """torchcodec alone turns such images, and the pixels are those of the same file without EXIF."""
    assert by_hand(TURNED).shape == (3, 61, 47)
    found = decode(TURNED, "torchcodec")
    assert np.array_equal(found, by_hand(saved("RGB"))) and decode(TURNED).shape == found.shape == (3, 47, 61)


@usable
def test_a_broken_jpeg_is_refused_in_words() -> None:
    with pytest.raises(JpegRefused, match="^torchcodec does not decode it: [A-Z][^/]*$"):
        decode(PLAIN["colour"][:-300], "torchcodec")
    with pytest.raises(OSError, match="truncated"):
        decode(PLAIN["colour"][:-300])


def test_the_setting_the_plan_and_the_library_know_the_same_names() -> None:
    assert decoder_names() == choices(ViewsConfig, "decoder") == get_args(DecoderName) == ("pillow", "torchcodec")


@usable
def test_versions_are_those_of_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's text is the key of pixels that are kept already, so it stays as it was."""
    torchcodec = importlib.import_module("torchcodec")
    own = decoder_version()
    assert own.startswith(f"pillow {PIL.__version__} (jpg ") and own.endswith("), depth16 1")
    other = decoder_version("torchcodec")
    assert other == f"torchcodec {torchcodec.__version__}; {own}"
    monkeypatch.setattr(torchcodec, "__version__", "99")
    assert decoder_version("torchcodec").startswith("torchcodec 99;") and decoder_version() == own


def test_an_unknown_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown decoder 'torchcodek'.*did you mean torchcodec"):
        load_dataset(f"folder:{tmp_path}", decoder="torchcodek")
    with pytest.raises(InvalidInput, match="decoder.*one of pillow, torchcodec"):
        FolderImages(tmp_path, name="it", split="train", decoder=3)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'torchcodec'", name="torchcodec"), "torchcodec is not installed"),
        (ImportError("cannot import name 'decode_jpeg'"), "torchcodec does not load: cannot import name 'decode_jpeg'"),
        (RuntimeError("Could not load libtorchcodec.\nLikely causes: ..."), "not load: Could not load libtorchcodec.$"),
    ],
)
def test_a_library_that_does_not_load_is_no_decoder(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It may be missing, older than its image decoders, or made for another torch."""

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "torchcodec":
                raise error

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(LookupError, match=words):
        decoder_version("torchcodec")
    with pytest.raises(
        InvalidInput, match=r"torchcodec is not usable here.*; `pip install \"dgkd-cache\[jpeg\]\"`"
    ) as caught:
        load_dataset(f"folder:{tmp_path}", decoder="torchcodec")
    assert caught.value.exit_code == 2
    require_decoder("load_dataset", "pillow")


@pytest.mark.parametrize("name", ["digits", "decoder_test_factory:make"])
def test_a_decoder_without_files_is_refused(
    name: str, tmp_path: Path, played: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "import numpy as np", "def make(): return [(np.zeros((2, 1, 4, 4), np.uint8), [0, 1])] * 2"
    (tmp_path / "decoder_test_factory.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidInput, match=f"torchcodec would have no effect for {name}.*leave decoder out"):
        load_dataset(name, decoder="torchcodec")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two JPEGs, one of them of grey, and two PNGs."""
    contents = [PLAIN["colour"], PLAIN["grey"], OTHER["PNG"], OTHER["grey PNG"]]
    for split in ("train", "test"):
        for number, content in enumerate(contents):
            path = tmp_path / "data" / split / "ab"[number // 2] / f"{number}.{'jpg' if number < 2 else 'png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return tmp_path / "data"


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_a_folder_has_the_same_samples_and_other_pixels(
    data: Path, hold_bytes: int, played: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The digest is that of the files."""
    one = FolderImages(data / "train", name="it", split="train", hold_bytes=hold_bytes)
    assert not caplog.messages
    two = FolderImages(data / "train", name="it", split="train", hold_bytes=hold_bytes, decoder="torchcodec")
    assert caplog.messages == [
        f"{data / 'train'}: 2 of 4 images are no JPEGs that torchcodec decodes: Pillow decodes these"
    ]
    assert (one.decoder, two.decoder, one.digest) == ("pillow", "torchcodec", two.digest)
    for read in (two.image(0), two.batch([0, 1])[0]):
        assert read.is_contiguous(), "whoever asks for an image may view it as he likes"
    for sample in range(4):
        given, own = two.image(sample).numpy(), one.image(sample).numpy()
        if ".png" in two.describe(sample):
            assert np.array_equal(given, own)
        else:
            assert np.array_equal(given, 255 - own)


def test_kept_pixels_are_those_of_one_decoder_and_version(
    data: Path, played: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_pixels, "LEAST_BYTES", 1)
    monkeypatch.setattr(folder_module, "LEAST_BYTES", 1)  # of mean and deviation
    monkeypatch.setattr(file_index, "RACY_NS", -(10**12))  # files that were just written count as old
    monkeypatch.setenv("DGKD_CACHE_DIR", str(data.parent / "cache"))
    own, read = folder_module.read_image, list[str]()

    def reading(path: Path, decoder: str) -> object:
        read.append(decoder)
        return own(path, decoder)

    monkeypatch.setattr(folder_module, "read_image", reading)

    def load(decoder: DecoderName) -> list[str]:
        read.clear()
        FolderImages(data / "train", name="it", split="train", decoder=decoder).constants()
        return read.copy()

    assert load("pillow") == ["pillow"] * 4 and load("pillow") == []
    assert load("torchcodec") == ["torchcodec"] * 4 and load("torchcodec") == [] and load("pillow") == []
    assert len(list((data.parent / "cache" / "constants").iterdir())) == 2
    usual = decoders._JPEG_DECODERS["torchcodec"]
    monkeypatch.setitem(decoders._JPEG_DECODERS, "torchcodec", replace(usual, version=lambda: "torchcodec 2"))
    assert load("torchcodec") == ["torchcodec"] * 4 and load("pillow") == []


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_a_file_that_the_decoder_refuses_is_named(data: Path, hold_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without held pixels it is found when it is used, as for Pillow."""

    def pixels(content: bytes) -> NDArray[np.uint8]:
        if content == PLAIN["colour"]:
            raise JpegRefused("torchcodec does not decode it: too colourful")
        return by_pillow(content)

    usual = decoders._JPEG_DECODERS["torchcodec"]
    monkeypatch.setitem(decoders._JPEG_DECODERS, "torchcodec", replace(usual, pixels=pixels, version=lambda: "1"))
    with pytest.raises(
        DataUnreadable, match=r"a/0.jpg \(torchcodec does not decode it: .*\); .* have Pillow decode all files"
    ):
        images = FolderImages(data / "train", name="it", split="train", hold_bytes=hold_bytes, decoder="torchcodec")
        list(images.each(range(4)))


@pytest.mark.parametrize("kind", ["folder", "imagenet", "tiny-imagenet"])
def test_every_form_of_a_folder_passes_the_decoder_on(kind: str, tmp_path: Path, played: None) -> None:
    for split in ("train", "val"):
        for synset in ("n01440764", "n01443537"):
            place = tmp_path / split / synset / ("images" if (kind, split) == ("tiny-imagenet", "train") else "")
            place.mkdir(parents=True)
            (place / f"{split}_{synset}.JPEG").write_bytes(PLAIN["colour"])
    found = load_dataset(f"{kind}:{tmp_path}", decoder="torchcodec")
    assert found.train.decoder == found.test.decoder == "torchcodec"


def test_images_in_another_order_keep_their_decoder_and_are_scored_by_it(data: Path, played: None) -> None:
    images = FolderImages(data / "train", name="it", split="train", decoder="torchcodec")
    guide = GuideSamples(
        guide="theirs",
        seal="0" * 64,
        name="it",
        split="train",
        classes=images.classes,
        labels_N=images.labels_N[::-1].copy(),
        sample_digest_N16=images.sample_digest_N16[::-1].copy(),
        channels=3,
        height=images.height,
        width=images.width,
        digest_kind="file",
        decoding={},
    )
    aligned = AlignedImages(images, guide)
    assert aligned.decoder == "torchcodec" and torch.equal(aligned.image(0), images.image(3))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 47 * 61, 2))
    scores = [evaluate(model, lambda pixels: model(pixels / 255), one) for one in (aligned, images)]
    assert scores[0].accuracy == scores[1].accuracy and scores[0].samples == 4
