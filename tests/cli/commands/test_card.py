"""`card`: printed or written, with lines of use that really work, and nothing of the machine that made it."""

from __future__ import annotations

import getpass
import json
import platform
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from support.ssh_keys import key_pair

import dgkd_cache as dgkd

Command = Callable[..., Result]
TELL_TALE = ("tell-tale-user", "tell-tale-host", "tell-tale-path", "tell-tale-home")


def test_the_card_is_printed_or_written(command: Command, guides: Path, tmp_path: Path) -> None:
    printed = command("card", "ta1")
    assert printed.exit_code == 0 and printed.stdout.startswith("---\nlicense: unknown\n")
    result = command("card", "guides/ta1.zarr", "--output", "public", "--data-licence", "CC-BY-4.0")
    assert result.exit_code == 0 and result.stdout.split() == ["public/README.md", "public/croissant.json"]
    assert "| licence of the data | `CC-BY-4.0` |" in (tmp_path / "public" / "README.md").read_text()
    as_json = command("card", "ta1", "--json", "--data-licence", "CC-BY-4.0").stdout
    assert as_json == (tmp_path / "public" / "croissant.json").read_text()
    assert json.loads(as_json)["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    again = command("card", "ta2", "--output", "public")
    assert again.exit_code == 2 and "is there already" in again.stderr
    assert command("card", "nothing").exit_code == 10


def test_the_lines_of_use_work(
    tmp_path: Path, make_tiny: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the README of a store of the digits, as they stand there."""
    pytest.importorskip("sklearn", reason="the digits lie in scikit-learn")
    from torch import nn

    from dgkd_stores import card_of

    data = dgkd.load_dataset("digits")
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)"], scheme="sampled", seed=0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    dgkd.GuideWriter(
        tmp_path / "ta1.zarr",
        model,
        lambda pixels: model(pixels / 16),
        guide=dgkd.Provenance(name="ta1"),
        train=dgkd.ViewRenderer(plan, data.train),
        test=dgkd.ViewRenderer(plan, data.test),
        views=range(1),
    ).run()
    (code,) = re.findall(r"```python\n(.*?)```", card_of(tmp_path / "ta1.zarr").readme.decode(), flags=re.DOTALL)
    assert len(code.splitlines()) == 3
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    batch = next(iter(names["batches"]))  # type: ignore[call-overload]  # a GuideLoader
    assert batch.pixels.shape == (128, 1, 8, 8) and batch.softened.shape == (1, 128, 10)
    names["bank"].close()  # type: ignore[attr-defined]  # a GuideBank


def test_nothing_tells_of_the_machine(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of a folder of images, made by a user, on a host and under paths that would be found anywhere."""
    user, host, path, home = TELL_TALE
    real = (socket.gethostname(), getpass.getuser())
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, user)
    monkeypatch.setenv("HOSTNAME", host)
    monkeypatch.setenv("HOME", str(tmp_path / home))
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(platform, "node", lambda: host)
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    data = tmp_path / path / "data" / "pets"
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "<b>dog</b>|`x`")):
            folder = data / split / name.replace("/", "\N{FRACTION SLASH}")
            folder.mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (8, 8), (40 * number, 99 * label, len(split))).save(folder / f"{number}.png")
    ws = tmp_path / path / "ws"
    settings = ["--chain", "plain4,plain2", "--epochs", "1", "--views", "1", "--transforms", "crop(1)"]
    made = command("-q", "init", str(ws), "--dataset", f"folder:{data}", *settings)
    assert made.exit_code == 0, made.stderr
    done = command("-q", "-w", str(ws), "run", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    private, _ = key_pair(tmp_path / home / ".ssh", "tell-tale-user")
    assert command("-w", str(ws), "sign", "teacher", "--key", str(private)).exit_code == 0
    assert command("-w", str(ws), "card", "teacher", "--output", str(tmp_path / "public")).exit_code == 0
    store = ws / "guides" / "teacher.zarr"
    files = [*(tmp_path / "public").iterdir(), store.with_name("teacher.zarr.sig"), *store.rglob("*")]
    contents = {file.name: file.read_bytes() for file in files if file.is_file()}
    assert {"README.md", "croissant.json", "teacher.zarr.sig", "zarr.json"} <= set(contents)
    for name, content in contents.items():
        for telling in (*TELL_TALE, str(tmp_path), real[0], f"/{real[1]}/", "/home/", "/tmp/"):
            assert telling.encode() not in content, (name, telling)
    readme = contents["README.md"].decode()
    assert "`folder:pets`" in readme and "<b>" not in readme
