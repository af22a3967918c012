"""Plain JPEGs, by their bytes: against what Pillow says of files that encoders make, and headers written by hand."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from dgkd_cache.datasets.plain_jpeg import is_plain_jpeg, plain_jpeg

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 33, 3), dtype=np.uint8)


def saved(mode: str, form: str = "JPEG", **settings: object) -> bytes:
    Image.fromarray(PIXELS).convert(mode).save(file := io.BytesIO(), form, **settings)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@pytest.mark.parametrize(
    ("content", "plain"),
    [
        (saved("RGB"), True),
        (saved("L"), True),
        (saved("RGB", progressive=True, quality=90), True),
        (saved("RGB", subsampling=0, restart_marker_blocks=2), True),
        (saved("RGB", exif=exif(6), icc_profile=bytes(70_000), comment=b"\xff\xc0" * 40), True),
        (saved("RGB", keep_rgb=True), True),
        (saved("CMYK"), False),
        (saved("RGB", "PNG"), False),
        (saved("P", "GIF"), False),
        (b"", False),
        (b"\xff\xd8", False),
    ],
)
def test_a_plain_jpeg_is_one_of_8_bits_in_grey_or_colour(content: bytes, plain: bool) -> None:
    assert is_plain_jpeg(io.BytesIO(content)) is plain is (plain_jpeg(content) is not None)
    if content[:3] == b"\xff\xd8\xff":
        with Image.open(io.BytesIO(content)) as picture:
            assert isinstance(picture, JpegImageFile) and (picture.layers in (1, 3)) is plain and picture.bits == 8


def frame(marker: int = 0xC0, bits: int = 8, components: int = 3) -> bytes:
    """A frame header of 16 x 16 pixels, as T.81, B.2.2 has it."""
    body = bytes([bits, 0, 16, 0, 16, components]) + b"".join(bytes([n, 0x11, 0]) for n in range(components))
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


START = b"\xff\xd8"


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_of_all_frames_those_coded_by_huffman_in_sequence_or_progressively(marker: int) -> None:
    assert is_plain_jpeg(io.BytesIO(START + frame(marker))) is (marker in (0xC0, 0xC1, 0xC2))


@pytest.mark.parametrize(
    ("head", "plain"),
    [
        (frame(bits=12), False),
        (frame(components=2), False),
        (frame(components=4), False),
        (frame(components=1), True),
        (segment(0xE1, bytes(65533)) + segment(0xFE, b"") + segment(0xDB, bytes(65)) + frame(), True),
        (segment(0xC4, bytes(20)) + segment(0xDD, bytes(2)) + frame(0xC2), True),
        (b"\xff\xff\xff" + segment(0xE0, b"JFIF\0") + b"\xff" + frame(), True),
        (segment(0xE0, b"JFIF\0") + b"\0" + frame(), False),
        (b"\xff\xe0\x00\x01" + frame(), False),
        (segment(0xDA, bytes(6)) + frame(), False),
        (b"\xff\xd9" + frame(), False),
        (frame()[:9], False),
        (frame()[:3] + b"\x08" + frame()[4:], False),
        (segment(0xE0, bytes(10))[:-4], False),
        (b"\xff" * 40, False),
    ],
)
def test_the_frame_is_found_by_the_segments_before_it(head: bytes, plain: bool) -> None:
    assert is_plain_jpeg(io.BytesIO(START + head)) is plain


def by_the_page(content: bytes) -> bool:
    """The rule as FORMAT.md has it, on what is left of the file."""
    left = content[2:] if content[:2] == START else b""
    while left[:1] == b"\xff":
        left = left.lstrip(b"\xff")
        if len(left) < 3:
            return False
        marker, length = left[0], 256 * left[1] + left[2]
        if marker in b"\xc0\xc1\xc2":
            return len(left) > 8 and left[3] == 8 and left[8] in (1, 3) and length == 8 + 3 * left[8]
        if marker not in b"\xc4\xcc\xdb\xdd\xfe" and not 0xE0 <= marker <= 0xEF or length < 2:
            return False
        left = left[1 + length :]
    return False


def test_changed_headers_are_judged_as_by_the_page() -> None:
    """Thousands of files with a few changed bytes before their scan, a fifth of them still plain."""
    random, whole = np.random.default_rng(5), saved("RGB", quality=60)
    header, judged = whole.index(b"\xff\xda"), list[bool]()
    for _ in range(4000):
        content = bytearray(whole)
        for place in random.integers(0, header, random.integers(1, 4)):
            content[place] = random.choice([0, 1, 3, 8, 17, 0xC0, 0xC2, 0xDB, 0xE1, 0xFF, random.integers(256)])
        judged.append(by_the_page(bytes(content)))
        found = is_plain_jpeg(io.BytesIO(content)), plain_jpeg(bytes(content)) is not None
        assert found == (judged[-1], judged[-1]), bytes(content[:header]).hex()
    assert 400 < sum(judged) < 3900


@pytest.fixture
def counted() -> Callable[[bytes], list[int]]:
    """Reads a file and returns how many bytes each read asked for."""

    def read(content: bytes) -> list[int]:
        asked = list[int]()

        class File(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                asked.append(-1 if size is None else size)
                return super().read(size)

        file = File(content)
        file.seek(100)  # wherever another reader left it
        assert is_plain_jpeg(file)
        return asked

    return read


def test_a_few_bytes_are_read_wherever_the_file_stands(counted: Callable[[bytes], list[int]]) -> None:
    asked = counted(saved("RGB", icc_profile=bytes(200_000)))
    assert 0 < sum(asked) < 200 and min(asked) > 0


@pytest.mark.parametrize("after_frame", [False, True])
def test_only_what_exif_lies_in_is_left_out(after_frame: bool) -> None:
    """EXIF may lie before and behind the frame header; a scan may have the same bytes."""
    one, other, scan = (
        segment(0xE1, b"Exif\0\0" + bytes(300)),
        segment(0xE2, b"ICC"),
        segment(0xDA, bytes(6)) + b"\xff\xe1\0\4ab",
    )
    before = START + b"\xff" + one + other
    content = before + frame() + one + scan if after_frame else before + frame() + scan
    assert plain_jpeg(content) == START + b"\xff" + other + frame() + scan
    plain = START + other + frame() + scan
    assert plain_jpeg(plain) is plain


def test_pixels_do_not_depend_on_it() -> None:
    content = saved("RGB", exif=exif(6), comment=b"behind it")
    found = plain_jpeg(content)
    assert len(found) < len(content) and is_plain_jpeg(io.BytesIO(found))
    with Image.open(io.BytesIO(found)) as bare, Image.open(io.BytesIO(content)) as whole:
        assert not bare.getexif() and whole.getexif() and bare.info["comment"] == b"behind it"
        assert np.array_equal(np.asarray(bare), np.asarray(whole))
