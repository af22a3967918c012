"""Addresses: which are taken, what they mean, and that none with a credential in it is, or is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_stores import InvalidInput, pull, push
from dgkd_stores.sharing.address import parse_address


@pytest.mark.parametrize(
    ("text", "scheme", "place", "name"),
    [
        ("guides", "file", "guides", None),
        ("/srv/www/ta1", "file", "/srv/www/ta1", None),
        ("ta1.zarr", "file", ".", "ta1.zarr"),
        ("/ta1.h5", "file", "/", "ta1.h5"),
        ("a/ta1.zarr", "file", "a", "ta1.zarr"),
        ("s3://lab", "s3", "s3://lab", None),
        ("s3://lab/x/y/", "s3", "s3://lab/x/y", None),
        ("S3://lab/x/ta1.zarr/", "s3", "s3://lab/x", "ta1.zarr"),
        ("https://h:8000/x/ta1.h5", "https", "https://h:8000/x", "ta1.h5"),
        ("gs://b.zarr", "gs", "gs://b.zarr", None),
        ("hf://lab/ta1", "hf", "hf://lab/ta1", None),
        ("az://c/p", "az", "az://c/p", None),
    ],
)
def test_parts(text: str, scheme: str, place: str, name: str | None) -> None:
    found = parse_address(text)
    assert (found.scheme, found.place, found.name) == (scheme, place, name)
    assert found.of("b.zarr") in (f"{place}/b.zarr", "/b.zarr")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_as_a_browser_shows_it(scheme: str) -> None:
    """RFC 3986: a space is %20, and ä its two bytes in UTF-8."""
    for text in (f"{scheme}://h/x%20y/m%C3%A4 d%23.zarr", f"{scheme}://h/x%20y/mä d%23.zarr"):
        found = parse_address(text)
        assert (found.place, found.name) == (f"{scheme}://h/x%20y", "mä d#.zarr")
        assert found.of("mä d#.zarr") == f"{scheme}://h/x%20y/m%C3%A4%20d%23.zarr"
    for text in ("..%2F..%2Fa.zarr", "a%00.zarr", "a%0A.zarr"):
        with pytest.raises(InvalidInput, match="the name of a store"):
            parse_address(f"{scheme}://h/x/{text}")
    assert parse_address("s3://lab/a%20b.zarr").name == "a%20b.zarr"


@pytest.mark.parametrize(
    "text",
    [
        "guides/a.zarr/inside",
        "/x/a.h5/b/c.zarr",
        "s3://lab/a.zarr/in",
        "gs://lab/x/a.ZARR/b.zarr",
        "https://h/a.h5/b.h5",
    ],
)
def test_no_place_is_inside_a_store(text: str) -> None:
    with pytest.raises(InvalidInput, match="nothing but the store lies inside a store") as refused:
        parse_address(text)
    assert refused.value.exit_code == 2
    assert parse_address("s3://lab.zarr/x").prefix == "x" and parse_address("hf://lab/t.zarr/a.zarr").name == "a.zarr"


def test_a_folder_inside_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zarr" / "logits").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a.zarr")
    for text in ("logits", ".", "b.zarr"):
        with pytest.raises(InvalidInput, match=r"inside of a\.zarr"):
            parse_address(text)


def test_bucket_and_prefix() -> None:
    found = parse_address("s3://lab/x/y/ta1.zarr")
    assert (found.bucket, found.prefix) == ("lab", "x/y")
    assert (parse_address("s3://lab").bucket, parse_address("s3://lab").prefix) == ("lab", "")


def test_a_folder_of_the_user() -> None:
    assert parse_address("~/x").folder == Path.home() / "x"


@pytest.mark.parametrize(
    "text",
    [
        "https://user:Tell-Tale@host/x",
        "s3://AKIA:Tell-Tale@lab/x",
        "http://Tell-Tale@host",
        "https://host/x?sig=Tell-Tale",
        "https://host/x.zarr?X-Amz-Signature=Tell-Tale&a=b",
        "https://host/x#Tell-Tale",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(text)
    assert refused.value.exit_code == 2
    assert "Tell-Tale" not in str(refused.value) and "AKIA" not in str(refused.value)
    assert "environment" in refused.value.do


@pytest.mark.parametrize(
    ("text", "words"), [("ftp://h/x", "s3://"), ("sftp://h/x", "rsync -a"), ("s3://", "s3://NAME")]
)
def test_other_addresses_are_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        parse_address(text)


@pytest.mark.parametrize("text", ["s3:/lab/x", "s3:lab", "lab.example:/srv/x", "user:Tell-Tale@host:x/a.zarr"])
def test_a_folder_that_nobody_means_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without its slashes and an address for rsync would name folders of this machine."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="a colon without two slashes") as refused:
        parse_address(text)
    assert refused.value.exit_code == 2 and "Tell-Tale" not in str(refused.value)
    (tmp_path / text.partition("/")[0]).mkdir()
    assert parse_address(text).scheme == parse_address(f"./{text}").scheme == parse_address("./a:b").scheme == "file"


def test_no_text_is_no_address() -> None:
    """A variable that is not set gives an empty text, which would be the current folder."""
    with pytest.raises(InvalidInput, match="a dot is the current folder"):
        parse_address("")


def test_a_file_is_no_place_and_nothing_is_said_of_removing_it(path: Path, tmp_path: Path) -> None:
    push(path, str(tmp_path / "place"))
    (tmp_path / "key").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, found in (("key", "a file"), ("key/in", "a file"), ("link", "a link")):
        said = f"a folder, or nothing, at .*, found {found}; give another place"
        with pytest.raises(InvalidInput, match=said):
            push(path, f"{tmp_path}/{name}")
        with pytest.raises(InvalidInput, match=said):
            pull(f"{tmp_path}/place", tmp_path / name)
