"""`sign`: a signature beside the store, or the line that another machine signs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.ssh_keys import key_pair

Command = Callable[..., Result]


def test_a_store_is_signed_and_says_so(command: Command, guides: Path, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    result = command("sign", "ta1", "--key", str(private))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].split() == ["signature", str(Path("guides/ta1.zarr.sig"))]
    assert (guides / "ta1.zarr.sig").is_file()
    found = command("-q", "verify", "ta1", "--key", str(public))
    assert found.exit_code == 0 and "signed by lab@example.org on 20" in found.stdout
    printed = json.loads(command("sign", "guides/ta1.zarr", "--key", str(private), "--json").stdout)
    assert set(printed) == {"signature", "seal", "guide", "data", "plan", "date"}
    assert [line.split()[0] for line in command("info", "ta1").stdout.splitlines() if "not checked" in line] == [
        "signature"
    ]


def test_what_another_machine_signs(command: Command, guides: Path, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    private, public = key_pair(tmp_path / "keys")
    private.chmod(0o600)
    printed = command("sign", "ta1", "--statement")
    assert printed.exit_code == 0 and printed.stdout.count("\n") == 1
    (tmp_path / "ta1.statement").write_text(printed.stdout)
    words = ["-Y", "sign", "-n", "dgkd-seal@v1", "-f", private, "ta1.statement"]
    subprocess.run(["ssh-keygen", "-q", *words], check=True, cwd=tmp_path)
    parts = [(tmp_path / name).read_bytes() for name in ("ta1.statement.sig", "ta1.statement")]
    (guides / "ta1.zarr.sig").write_bytes(b"".join(parts))
    assert command("verify", "ta1", "--key", str(public)).exit_code == 0


def test_refusals(command: Command, guides: Path, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    for words in (["sign", "ta1"], ["sign", "ta1", "--key", str(private), "--statement"]):
        result = command(*words)
        assert result.exit_code == 2 and "--statement" in result.stderr
    assert command("sign", "nothing", "--key", str(private)).exit_code == 10
    nowhere = command("sign", "ta1", "--key", "nowhere")
    assert nowhere.exit_code == 2 and "`ssh-keygen -t ed25519 -f KEY` makes a key pair" in nowhere.stderr
    command("sign", "ta1", "--key", str(private))
    other, _ = key_pair(tmp_path / "keys", "other")
    again = command("sign", "ta1", "--key", str(other))
    assert again.exit_code == 2 and "is there already" in again.stderr
