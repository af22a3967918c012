"""Two labs do what docs/sharing.md tells them to push and pull, in two folders: every command of that section."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import CONFIG, add_module

from dgkd_cli.main import main
from dgkd_stores import read_header

ROOT = Path(__file__).parent.parent


def dgkd(words: list[str]) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "sharing.md").read_text(encoding="utf-8")
    section = page.split("\n## Push and pull, in two folders\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh (lab-[ab])\n(.*?)```", section, re.DOTALL)
    assert [lab for lab, _ in blocks] == ["lab-a", "lab-b"]
    add_module(tmp_path, monkeypatch)
    for lab in ("lab-a", "lab-b"):
        (tmp_path / lab).mkdir()
        (tmp_path / lab / "dgkd.toml").write_text(CONFIG.format(chain='teacher = "plain4"\nstudent = "plain2"'))
    monkeypatch.chdir(tmp_path / "lab-a")
    dgkd(["train", "--model", "teacher", "--device", "cpu"])
    dgkd(["dump", "--model", "teacher", "--device", "cpu"])
    for lab, commands in blocks:
        monkeypatch.chdir(tmp_path / lab)
        for line in commands.strip().splitlines():
            program, *words = shlex.split(line)
            assert program == "dgkd-cache"
            dgkd(words)
    published, pulled = (read_header(tmp_path / lab / "guides" / "teacher.zarr") for lab in ("lab-a", "lab-b"))
    assert published == pulled and published.seal is not None
    assert not (tmp_path / "lab-b" / "runs" / "teacher").exists(), "lab B has neither weights nor run of the teacher"
    assert (tmp_path / "lab-b" / "runs" / "student-plain2" / "weights.safetensors").is_file()
