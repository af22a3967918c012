"""Object storage through obstore: its errors in our words, and requests that say what they should."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores.support.web import Answer, Web, web

from dgkd_stores import DgkdError, InvalidInput
from dgkd_stores.sharing.address import parse_address
from dgkd_stores.sharing.object_storage import open_object_storage
from dgkd_stores.sharing.remote import AccessRefused, Changed, LostConnection, NoRanges

pytest.importorskip("obstore", reason="SKIPPED: no obstore here; `pip install 'dgkd-cache[share]'` gets it")

DATA = bytes(range(256)) * 10_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    (tmp_path / "x y").mkdir()
    (tmp_path / "c.0").write_bytes(DATA)
    with web(tmp_path) as state:
        yield state


def test_reads(server: Web) -> None:
    remote = open_object_storage(parse_address(server.address))
    whole = remote.read("c.0")
    assert b"".join(whole.pieces) == DATA and whole.found.size == len(DATA)
    tag = whole.found.tag
    assert b"".join(remote.read("c.0", start=1000, tag=tag).pieces) == DATA[1000:]
    assert b"".join(remote.read("c.0", start=1000, stop=1010).pieces) == DATA[1000:1010]
    assert [headers.get("range") for headers in server.headers] == [None, "bytes=1000-", "bytes=1000-1009"]
    assert [headers.get("if-match") for headers in server.headers] == [None, f'"{tag}"', None]
    assert remote.names("") is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, FileNotFoundError), (412, Changed), (416, LostConnection), (500, LostConnection), (403, DgkdError)],
)
def test_errors(server: Web, status: int, error: type[Exception]) -> None:
    remote = open_object_storage(parse_address(server.address))

    def fail(answer: Answer) -> None:
        answer.status = status

    server.fault = fail
    with pytest.raises(error):
        remote.read("c.0")
    assert len(server.asked) == 1, "each request is sent once here"


def test_a_server_without_ranges(server: Web) -> None:
    server.ranges = False
    with pytest.raises(NoRanges):
        open_object_storage(parse_address(server.address)).read("c.0", start=5)


def test_a_wrong_content_range(server: Web) -> None:
    def shift(answer: Answer) -> None:
        answer.range = f"bytes {answer.start + 7}-{answer.total + 6}/{answer.total}"

    server.fault = shift
    with pytest.raises(NoRanges):
        open_object_storage(parse_address(server.address)).read("c.0", start=5)


def test_a_connection_that_ends(server: Web) -> None:
    def cut(answer: Answer) -> None:
        answer.cut = 1_500_000

    server.fault = cut
    got = bytearray()
    with pytest.raises(LostConnection):
        for piece in open_object_storage(parse_address(server.address)).read("c.0").pieces:
            got += piece
    assert DATA.startswith(got) and len(server.asked) == 1


def test_a_weak_tag_is_none(server: Web) -> None:
    def weaken(answer: Answer) -> None:
        answer.tag = 'W/"1"'

    server.fault = weaken
    assert open_object_storage(parse_address(server.address)).read("c.0").found.tag is None


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "Tell-Tale-Secret"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATELLTALE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for text in ("http://127.0.0.1:9", "s3://lab/x"):
        with pytest.raises(LostConnection) as lost:
            open_object_storage(parse_address(text)).read("a")
        assert secret not in str(lost.value) and "AKIATELLTALE" not in str(lost.value)


def test_plain_http_to_another_machine_needs_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATELLTALE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Tell-Tale-Secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
    with pytest.raises((LostConnection, InvalidInput, DgkdError)), contextlib.suppress(FileNotFoundError):
        open_object_storage(parse_address("s3://lab/x")).read("a")


@pytest.fixture
def bucket(server: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """The public bucket `lab` of an S3 service, which refuses the user's keys: it takes those of AKIALAB, or none."""
    (server.root / "lab").mkdir()
    (server.root / "c.0").rename(server.root / "lab" / "c.0")

    def guard(answer: Answer) -> None:
        signed = server.headers[-1].get("authorization")
        if signed and "Credential=AKIALAB/" not in signed:
            answer.status = 403

    server.fault = guard
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab-secret")
    return server


@pytest.mark.parametrize(
    ("status", "reason", "found"),
    [
        (301, "", "an incorrectly configured region"),
        (400, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>use eu-west-1</Message></Error>", "eu-west-1"),
        (400, "<Error><Code>ExpiredToken</Code><Message>it has expired</Message></Error>", "it has expired"),
    ],
)
def test_another_region_and_a_token_that_expired_are_told_at_once(
    bucket: Web, status: int, reason: str, found: str
) -> None:
    def refuse(answer: Answer) -> None:
        answer.status, answer.reason = status, reason.encode()

    bucket.fault = refuse
    with pytest.raises(AccessRefused, match="and the region of the bucket") as refused:
        open_object_storage(parse_address("s3://lab")).read("c.0")
    assert found in str(refused.value.found)


@pytest.mark.parametrize(("name", "value"), [("AWS_ACCESS_KEY_ID", "AKIALAB"), ("AWS_SKIP_SIGNATURE", "true")])
def test_what_the_hint_of_a_refusal_offers_works(
    bucket: Web, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DgkdError, match="refuses access") as refused:
        open_object_storage(parse_address("s3://lab")).read("c.0")
    assert refused.value.do.startswith("set them (") and "AWS_SKIP_SIGNATURE=true" in refused.value.do
    monkeypatch.setenv(name, value)
    assert b"".join(open_object_storage(parse_address("s3://lab")).read("c.0").pieces) == DATA


def test_an_endpoint_of_plain_http_is_refused_with_the_variable_that_permits_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://AKIA:Tell-Tale@minio.example:9000")
    with pytest.raises(InvalidInput, match="plain HTTP: expected https://") as refused:
        open_object_storage(parse_address("s3://lab/x"))
    assert refused.value.do == "AWS_ALLOW_HTTP=true in the environment permits it"
    assert "Tell-Tale" not in str(refused.value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert open_object_storage(parse_address("s3://lab/x"))


def test_a_wrong_profile_is_told_with_its_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    with pytest.raises(InvalidInput) as refused:
        open_object_storage(parse_address("s3://lab/x"))
    assert refused.value.expected.startswith("a profile in") and "list-profiles" in refused.value.do
