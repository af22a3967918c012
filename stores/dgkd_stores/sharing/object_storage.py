"""Places of object storage and of the web through obstore: s3://, gs://, az://, http:// and https://.

Each request is sent once here, and whoever asks repeats it: obstore's own retry of a body does not send If-Match, and
its default time limit of 30 s is for a whole request. What it answers wrongly is refused by obstore (a Content-Range
that is not the requested one) or proven wrong by the digests of the store.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgkd_stores.errors import InvalidInput, StoreNotFound
from dgkd_stores.sharing.address import Address
from dgkd_stores.sharing.credentials import aws_settings, redacted
from dgkd_stores.sharing.remote import (
    AccessRefused,
    Changed,
    Found,
    LostConnection,
    NoRanges,
    Reading,
    Remote,
    WritableRemote,
)

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

__all__ = ["ObjectStorage", "WebServer", "open_object_storage", "open_web"]

PIECE_BYTES = 2**18
"""Bytes of a body that come at a time; a connection that is cut loses fewer than these."""

_LOOPBACK = ("http://127.", "http://localhost", "http://[::1]")
_SERVICES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
"""The first letters of the names of a scheme's variables."""
_ENDPOINTS = {
    "AWS": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "GOOGLE": ("GOOGLE_BASE_URL",),
    "AZURE": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_REFUSED = re.compile(
    r"401 Unauthorized|403 Forbidden|AuthorizationHeaderMalformed|ExpiredToken|InvalidToken|redirect without LOCATION"
)
"""Answers of 400 and 301 with a reason that another try does not change, and a list that is refused, which has no class
of its own."""
_BODY = re.compile(r"\s*(?:\ufeff)?<.*", re.DOTALL)
_TOLD = re.compile(r"<(Code|Message)>([^<]*)</")
_NOT_IMPLEMENTED = "501 Not Implemented"
"""The answer of a service that knows no conditions, and does not ignore them."""
_ONCE: RetryConfig = {"max_retries": 0}
_WRONG_RANGE = re.compile(
    r"Range request not supported|non-partial response|Requested \S+, got |content[-_]range", re.IGNORECASE
)
"""The words of obstore for an answer that is not the part of the object that was asked for."""


class WebServer(Remote):
    """A place behind an obstore client that is only read."""

    def __init__(self, client: ObjectStore, address: str) -> None:
        self.address, self._client = address, client

    def names(self, prefix: str) -> Mapping[str, Found] | None:
        return None

    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        import obstore

        options: GetOptions = {}
        if stop is not None:
            options["range"] = (start, stop)
        elif start:
            options["range"] = {"offset": start}
        if tag is not None:
            options["if_match"] = f'"{tag}"'
        with self._explained(name):
            result = obstore.get(self._client, name, options=options)
            found = _found(result.meta)
            if tag is not None and found.tag != tag:
                raise Changed(name)
            return Reading(found=found, pieces=self._pieces(name, result))

    def _pieces(self, name: str, result: Any) -> Iterator[memoryview]:
        with self._explained(name):
            for piece in result.stream(min_chunk_size=PIECE_BYTES):
                yield memoryview(piece)

    @contextlib.contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Converts obstore's errors; its messages go on for pages below their first line."""
        from obstore import exceptions

        try:
            yield
        except exceptions.AlreadyExistsError:
            raise
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._no_bucket(error) from None
            raise
        except exceptions.PreconditionError as error:
            raise Changed(name) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise self._refused(name, error) from None
        except exceptions.BaseError as error:
            text = _first_line(error)
            if _NO_BUCKET.search(str(error)):
                raise self._no_bucket(error) from None
            if _WRONG_RANGE.search(text):
                raise NoRanges(name) from None
            if _REFUSED.search(str(error)):
                raise self._refused(name, error) from None
            if "credential" in text.lower() or "metadata endpoint" in text or "169.254.169.254" in text:
                raise self._refused(name, error) from None
            raise LostConnection(text) from None  # the error's own text may hold a signed URL
        except ValueError as error:
            raise LostConnection(_first_line(error)) from None

    def _no_bucket(self, error: Exception) -> StoreNotFound:
        return StoreNotFound(
            f"no place at {self.address}",
            expected="a bucket, or a container, that exists",
            found=_first_line(error).rpartition("status code: ")[2],
            do="check its name, and the service and region that it is in; push makes no bucket",
        )

    def _refused(self, name: str, error: Exception) -> AccessRefused:
        service = _SERVICES.get(self.address.partition("://")[0])
        public = f"; a public bucket wants {service}_SKIP_SIGNATURE=true" if service else ""
        region = ", and the region of the bucket" if service == "AWS" else ""
        return AccessRefused(
            f"{self.address} refuses access to {name}",
            expected=f"credentials in the environment or a profile that permit it{region}",
            found=_first_line(error),
            do=f"set them (docs/sharing.md, Credentials){public}",
        )


class ObjectStorage(WebServer, WritableRemote):
    """Object storage: a web server that lists its objects and creates them."""

    _unconditional = False
    """True once the place has refused a request because of its condition: it is asked what is there instead."""

    def names(self, prefix: str) -> Mapping[str, Found]:
        import obstore

        found = dict[str, Found]()
        with self._explained(prefix):
            # Prefixes are whole parts of a path; an object of the name itself is not below it.
            for page in obstore.list(self._client, prefix.rstrip("/")):
                found |= {str(each["path"]): _found(each) for each in page}
            if not prefix.endswith("/"):
                with contextlib.suppress(FileNotFoundError):
                    found[prefix] = _found(obstore.head(self._client, prefix))
        return found

    def tops(self) -> frozenset[str]:
        import obstore

        with self._explained("its list"):
            listed = obstore.list_with_delimiter(self._client)
        return frozenset([*map(str, listed["common_prefixes"]), *(str(each["path"]) for each in listed["objects"])])

    def create(self, name: str, data: bytes | memoryview) -> bool:
        import obstore

        if self._unconditional:
            return self._create_plainly(name, data)
        try:
            with self._explained(name):
                obstore.put(self._client, name, data, mode="create", use_multipart=False)
        except obstore.exceptions.AlreadyExistsError:
            return False
        except FileNotFoundError as error:
            raise self._no_bucket(error) from None
        except LostConnection as error:
            if _NOT_IMPLEMENTED not in str(error):
                raise
            self._unconditional, self.conditional = True, False
            return self._create_plainly(name, data)
        return True

    def _create_plainly(self, name: str, data: bytes | memoryview) -> bool:
        """Creates an object where no request may have a condition: another writer may come between the two."""
        if name in self.names(name):
            return False
        self.replace(name, data)
        return True

    def replace(self, name: str, data: bytes | memoryview) -> None:
        import obstore

        try:
            with self._explained(name):
                obstore.put(self._client, name, data, use_multipart=False)
        except obstore.exceptions.AlreadyExistsError as error:
            # 409 to a request without a condition: another one for this name was on its way.
            raise LostConnection(_first_line(error)) from None
        except FileNotFoundError as error:
            raise self._no_bucket(error) from None


def open_object_storage(address: Address) -> WebServer:
    """Returns the place at an address of object storage or of the web; sends no request.

    Raises InvalidInput for an address or settings that obstore refuses, and if it is not installed.
    """
    if address.scheme in ("http", "https"):
        return open_web(address.place)
    _require_obstore(address.scheme)
    from obstore import exceptions, store

    try:
        prefix = address.prefix or None
        if address.scheme == "s3":
            settings: dict[str, Any] = dict(aws_settings(os.environ, home=Path.home()))
            client: ObjectStore = store.S3Store(
                address.bucket,
                prefix=prefix,
                checksum_algorithm="SHA256",
                client_options=_client_options(plain=_plain("AWS", settings.get("endpoint", ""))),
                retry_config=_ONCE,
                **settings,
            )
        elif address.scheme == "gs":
            options = _client_options(plain=_plain("GOOGLE"))
            client = store.GCSStore(address.bucket, prefix=prefix, client_options=options, retry_config=_ONCE)
        else:
            options = _client_options(plain=_plain("AZURE"))
            client = store.AzureStore(address.bucket, prefix=prefix, client_options=options, retry_config=_ONCE)
    except InvalidInput:
        raise
    except (exceptions.BaseError, ValueError) as error:
        raise InvalidInput(f"{address.place} cannot be used", found=_first_line(error)) from None
    return ObjectStorage(client, address.place)


def open_web(place: str, *, headers: Mapping[str, str] | None = None) -> WebServer:
    """Returns the place at a URL of http or https, each request to which has `headers`. Raises as above."""
    _require_obstore(place.partition(":")[0])
    from obstore import exceptions, store

    options = _client_options(plain=place.startswith("http://"))
    if headers:
        options["default_headers"] = dict(headers)
    try:
        web = store.HTTPStore.from_url(place, client_options=options, retry_config=_ONCE)
    except (exceptions.BaseError, ValueError) as error:
        raise InvalidInput(f"{place} cannot be used", found=_first_line(error)) from None
    return WebServer(web, place)


def _require_obstore(scheme: str) -> None:
    if find_spec("obstore") is None:
        raise InvalidInput(
            f"{scheme}:// needs the package obstore",
            expected="the extra `share`",
            found="no obstore",
            do="`pip install 'dgkd-cache[share]'` installs it; folders need no extra",
        )


def _plain(service: str, endpoint: str = "") -> bool:
    """Returns True if plain HTTP may be used: to this machine, or where SERVICE_ALLOW_HTTP says so.

    Raises InvalidInput for an endpoint that is plain HTTP and may not.
    """
    endpoint = endpoint or next((os.environ[name] for name in _ENDPOINTS[service] if os.environ.get(name)), "")
    plain = endpoint.lower().startswith(_LOOPBACK) or os.environ.get(f"{service}_ALLOW_HTTP", "").lower() == "true"
    if endpoint.lower().startswith("http:") and not plain:
        raise InvalidInput(
            f"the endpoint {redacted(endpoint, os.environ)} is another machine, and plain HTTP",
            expected="https://, so that nobody on the way reads or changes what is sent",
            found="http://",
            do=f"{service}_ALLOW_HTTP=true in the environment permits it",
        )
    return plain


def _client_options(*, plain: bool = False) -> ClientConfig:
    # Without a total limit, a large object on a slow line is not cut off; a server that sends nothing is.
    return {"allow_http": plain, "timeout": "30 days", "read_timeout": "60s", "connect_timeout": "20s"}


def _found(meta: Any) -> Found:
    # A weak ETag (W/"...") stands for content that is only equivalent, and If-Match never fits it.
    tag = meta["e_tag"]
    strong = None if tag is None or tag.startswith("W/") else tag.strip('"')
    return Found(size=meta["size"], tag=strong or None)


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    # Of the answer's XML, what it says.
    text = _BODY.sub(lambda body: "".join(f" {told}" for _, told in _TOLD.findall(body[0])), text)
    return redacted(" ".join(text.split()), os.environ)[:400]
