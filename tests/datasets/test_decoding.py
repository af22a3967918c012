"""Decoding, against bytes that are written here from the formats' descriptions: depths, ranges, and what is told."""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dgkd_cache.datasets.decoding import pillow_warnings_ignored
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.reading import read_all
from dgkd_cache.errors import DataUnreadable

RAMP = np.arange(0, 65536, 257 / 4).astype(np.uint16)[None]  # 1,021 values, about four in each grey level
GREY = np.array([[(2 * 255 * int(value) + 65535) // (2 * 65535) for value in row] for row in RAMP])
HOLD = pytest.mark.parametrize("hold_bytes", [0, 1 << 30])


def png(pixels: NDArray[np.integer], *, colour: int, before: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel (PNG specification, third edition); `before` are chunks that precede the pixels."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(
    data: bytes, size: tuple[int, int], *, bits: int, meaning: int = 1, channels: int = 1, form: int = 1, turn: int = 1
) -> bytes:
    """An uncompressed little-endian TIFF (TIFF 6.0) of these Photometric, SampleFormat and Orientation tags."""
    width, height = size
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: meaning,
        273: 8,  # the pixels follow the header
        274: turn,
        277: channels,
        278: height,
        279: len(data),
        339: form,
    }
    count = {258: channels, 339: channels}
    after = data + struct.pack("<6H", *[bits] * 3, *[form] * 3)
    if channels == 3:  # these two do not fit into their entries
        tags[258], tags[339] = 8 + len(data), 8 + len(data) + 6
    entries = b"".join(
        struct.pack("<HHII", tag, 4 if tag == 279 else 3, count.get(tag, 1), value) for tag, value in tags.items()
    )
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(after)) + after + directory


def load(folder: Path, files: dict[str, bytes], *, hold_bytes: int = 1 << 30) -> FolderImages:
    """The files as the one class of a split."""
    (folder / "train" / "one").mkdir(parents=True)
    for name, content in files.items():
        (folder / "train" / "one" / name).write_bytes(content)
    return FolderImages(folder / "train", name="n", split="train", hold_bytes=hold_bytes)


def pixels_of(images: FolderImages) -> dict[str, NDArray[np.uint8]]:
    names = [images.describe(i).rpartition("/")[2].removesuffix(")") for i in range(len(images))]
    return {name: images.image(i).numpy() for i, name in enumerate(names)}


@HOLD
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(
    tmp_path: Path, hold_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    height, width = RAMP.shape
    head = f"P5\n{width} {height}\n65535\n".encode()
    files = {
        "a.png": png(RAMP, colour=0),
        "b.pgm": head + RAMP.astype(">u2").tobytes(),
        "c.pgm": head.replace(b"P5", b"P2") + " ".join(map(str, RAMP.ravel())).encode(),
        "d.tif": tiff(RAMP.astype("<u2").tobytes(), (width, height), bits=16),
        "e.tif": tiff((65535 - RAMP).astype("<u2").tobytes(), (width, height), bits=16, meaning=0),
        "f.png": io_bytes(Image.fromarray(GREY.astype(np.uint8)), "PNG"),
    }
    images = load(tmp_path, files, hold_bytes=hold_bytes)
    for name, pixels in pixels_of(images).items():
        assert np.array_equal(pixels, np.stack([GREY] * 3)), name
    assert len(np.unique(GREY)) == 256 and images.decoding == {"depth16": 1}
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path}/train: 5 of 6 images have greyscale of more than 8 bits: scaled to 8")


def io_bytes(picture: Image.Image, form: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **settings)
    return stream.getvalue()


def test_twelve_bits_of_grey_have_their_own_white(tmp_path: Path) -> None:
    values = [0, 8, 9, 2048, 4094, 4095]
    data = b"".join(((a << 12) | b).to_bytes(3, "big") for a, b in zip(values[::2], values[1::2], strict=True))
    images = load(tmp_path, {"a.tif": tiff(data, (6, 1), bits=12)})
    assert images.image(0)[0, 0].tolist() == [round(255 * value / 4095) for value in values]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(np.arange(6, dtype="<i2").tobytes(), (3, 2), bits=16, form=2), "signed or floating-point pixels"),
        (tiff(np.arange(6, dtype="<i4").tobytes(), (3, 2), bits=32, form=2), "signed or floating-point pixels"),
        (tiff(np.arange(6, dtype="<u4").tobytes(), (3, 2), bits=32), "integer pixels of more than 8 bits"),
        (tiff(np.arange(6, dtype="<f4").tobytes(), (3, 2), bits=32, form=3), "signed or floating-point pixels"),
        (tiff(bytes(range(6)), (3, 2), bits=8, form=2), "signed or floating-point pixels"),
        (b"Pf\n3 2\n-1.0\n" + np.arange(6, dtype="<f4").tobytes(), "floating-point pixels of more than 8 bits"),
    ],
)
@HOLD
def test_a_range_that_the_file_does_not_define_is_refused_by_name(
    tmp_path: Path, content: bytes, reason: str, hold_bytes: int
) -> None:
    files = {"strange.tif": content, "fine.png": io_bytes(Image.new("L", (3, 2)), "PNG")}
    wanted = rf"1 of 2 image files.*of 8 bits or 16-bit greyscale, found one/strange.tif \({reason}.*scale such pixels"
    with pytest.raises(DataUnreadable, match=wanted):
        load(tmp_path, files, hold_bytes=hold_bytes)


@HOLD
def test_more_than_eight_bits_of_colour_are_told(
    tmp_path: Path, hold_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.random.default_rng(4).integers(0, 65536, (4, 5, 3))
    grey_alpha = np.stack([values[:, :, 0], np.full((4, 5), 9)], 2)
    files = {
        "rgb.png": png(values, colour=2),
        "alpha.png": png(grey_alpha, colour=4),
        "rgb.ppm": b"P6\n5 4\n65535\n" + values.astype(">u2").tobytes(),
        "rgb.tif": tiff(values.astype("<u2").tobytes(), (5, 4), bits=16, meaning=2, channels=3),
        "rgb8.ppm": b"P6\n5 4\n100\n" + (values // 656).astype(np.uint8).tobytes(),
    }
    images = load(tmp_path, files, hold_bytes=hold_bytes)
    found = pixels_of(images)
    assert np.array_equal(found["rgb.png"], (values >> 8).transpose(2, 0, 1)) and images.decoding == {}
    assert np.array_equal(found["rgb.tif"], (values >> 8).transpose(2, 0, 1))
    assert np.array_equal(found["alpha.png"], np.stack([values[:, :, 0] >> 8] * 3))
    assert [line.partition(": ")[2][:40] for line in caplog.messages] == [
        "4 of 5 images have more than 8 bits a ch",
        "1 of 5 images have transparency: it is d",
    ]


@HOLD
def test_rotation_transparency_palettes_and_frames_are_as_image_folder_has_them(
    tmp_path: Path, hold_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And Pillow's own warnings, which are errors in a test, do not come."""
    rng = np.random.default_rng(5)
    colours = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    index = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    palette = Image.frombytes("P", (7, 6), index.tobytes())
    palette.putpalette(colours.tobytes())
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    rgba = rng.integers(0, 256, (6, 7, 4), dtype=np.uint8)
    files = {
        "palette.png": io_bytes(palette, "PNG"),
        "clear.png": io_bytes(palette, "PNG", transparency=bytes(range(256))),
        "rgba.png": io_bytes(Image.fromarray(rgba), "PNG"),
        "turned.png": io_bytes(Image.fromarray(rgba[:, :, :3]), "PNG", exif=exif),
        "bad.png": png(np.zeros((6, 7, 3), int), colour=2, before=chunk(b"eXIf", b"no EXIF")),
        "moving.png": io_bytes(
            Image.fromarray(rgba[:, :, :3]), "PNG", save_all=True, append_images=[Image.new("RGB", (7, 6))]
        ),
        "turned.jpg": io_bytes(Image.new("RGB", (7, 6), (10, 20, 30)), "JPEG", exif=exif),
    }
    images = load(tmp_path, files, hold_bytes=hold_bytes)
    found = pixels_of(images)
    assert (images.height, images.width) == (6, 7), "EXIF rotation is not applied"
    expanded = colours[index].transpose(2, 0, 1)
    assert np.array_equal(found["palette.png"], expanded) and np.array_equal(found["clear.png"], expanded)
    for name in ("rgba.png", "turned.png", "moving.png"):
        assert np.array_equal(found[name], rgba[:, :, :3].transpose(2, 0, 1)), name
    assert [line.partition(": ")[2] for line in caplog.messages] == [
        "1 of 7 images have more than 8 bits a channel in colour or with transparency: Pillow reduces them to 8",
        "2 of 7 images have a rotation in their EXIF data: it is not applied",
        "2 of 7 images have transparency: it is dropped",
        "1 of 7 images have several frames: the first one is read",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


@HOLD
def test_tiff_is_turned_by_pillow_and_read_from_its_first_page(
    tmp_path: Path, hold_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.random.default_rng(7).integers(0, 65536, (4, 5), dtype=np.uint16)
    turned = tiff(values.astype("<u2").tobytes(), (5, 4), bits=16, turn=6)  # row 0 is the right-hand side
    pages = [Image.new("L", (4, 5), grey) for grey in (7, 8)]
    files = {"turned.tif": turned, "pages.tif": io_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:])}
    images = load(tmp_path, files, hold_bytes=hold_bytes)
    found = pixels_of(images)
    assert (
        np.array_equal(found["turned.tif"][0], np.rot90(np.round(values / 257), -1)) and found["pages.tif"].max() == 7
    )
    assert [line.partition(": ")[2] for line in caplog.messages] == [
        "1 of 2 images have greyscale of more than 8 bits: scaled to 8 (decoding rule depth16 = 1)",
        "1 of 2 images have several frames: the first one is read",
    ]


def test_room_for_transparency_that_no_pixel_uses_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opaque, clear = Image.new("RGBA", (5, 5), (9, 9, 9, 255)), Image.new("RGBA", (5, 5), (9, 9, 9, 255))
    clear.putpixel((2, 3), (1, 2, 3, 254))
    palette = Image.new("P", (5, 5), 1)
    palette.putpalette(bytes(range(30)))
    files = {
        "opaque.png": io_bytes(opaque, "PNG"),
        "opaque.webp": io_bytes(opaque, "WEBP", lossless=True, exact=True),
        "grey.png": io_bytes(opaque.convert("LA"), "PNG"),
        "key.png": io_bytes(Image.new("RGB", (5, 5), (9, 9, 9)), "PNG", transparency=(1, 2, 3)),
        "bit.png": io_bytes(Image.new("1", (5, 5), 1), "PNG", transparency=0),
        "unused.png": io_bytes(palette, "PNG", transparency=0),
    }
    load(tmp_path / "a", files)
    assert caplog.messages == []
    files |= {"clear.png": io_bytes(clear, "PNG"), "used.png": io_bytes(palette, "PNG", transparency=1)}
    load(tmp_path / "b", files)
    assert caplog.messages == [f"{tmp_path}/b/train: 2 of 8 images have transparency: it is dropped"]


@HOLD
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, hold_bytes: int) -> None:
    (tmp_path / "train" / "one").mkdir(parents=True)
    (tmp_path / "train" / "one" / "a.png").write_bytes(io_bytes(Image.new("L", (5, 5)), "PNG"))
    os.mkfifo(tmp_path / "train" / "one" / "x.jpg")
    with pytest.raises(DataUnreadable, match=r"1 of 2 .*one/x.jpg \(a pipe, a device or a folder, and no regular file"):
        FolderImages(tmp_path / "train", name="n", split="train", hold_bytes=hold_bytes)


def test_usual_images_are_read_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    grey, colour = Image.new("L", (5, 5), 9), Image.new("RGB", (5, 5))
    files = {
        f"{form}-{i}.{form}": io_bytes(one, form) for i, one in enumerate((grey, colour)) for form in ("png", "bmp")
    }
    files |= {"a.jpg": io_bytes(grey, "JPEG"), "b.webp": io_bytes(colour, "WEBP"), "c.tif": io_bytes(colour, "TIFF")}
    assert load(tmp_path, files).decoding == {} and caplog.messages == []


def test_filters_are_as_before_however_many_threads_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    before, meeting = list(warnings.filters), threading.Barrier(3, timeout=60)

    def read(path: Path) -> None:
        with pillow_warnings_ignored:
            meeting.wait()
            warnings.warn_explicit("a word", UserWarning, "Image.py", 1, module="PIL.Image")

    readers = [threading.Thread(target=read_all, args=(tmp_path, ["a"], read), kwargs={"threads": 1}) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert warnings.filters == before
    with pytest.raises(UserWarning):
        warnings.warn_explicit("a word", UserWarning, "Image.py", 1, module="PIL.Image")
