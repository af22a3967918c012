"""The commands of docs/sharing.md on alignment, parts and differences, run by a second lab whose order is another."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import CONFIG, MODULE, run

from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

PAGE = Path(__file__).parent.parent / "docs" / "sharing.md"
CHAIN = 'teacher = "plain4"\nstudent = "plain2"'
TURNED = """
from sharing_page_bars import bars

def turned():
    (pixels, labels, names), test = bars()
    return (pixels[::-1].copy(), labels[::-1].copy(), names), test
"""


def commands() -> list[tuple[int, str]]:
    """Each command with its exit code, of the sections from that on other orders to that on signing."""
    text = PAGE.read_text(encoding="utf-8")
    text = text[text.index("## Your images in another order") : text.index("## Signing")]
    blocks = re.findall(r"^```sh lab-b ?(\d*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [(int(code or 0), line) for code, block in blocks for line in block.splitlines()]


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sharing_page_bars.py").write_text(MODULE)
    (tmp_path / "sharing_page_turned.py").write_text(TURNED)
    for lab, data in (("lab-a", "sharing_page_bars:bars"), ("lab-b", "sharing_page_turned:turned")):
        Workspace.init(tmp_path / lab, CONFIG.format(chain=CHAIN).replace("tiny_bars:bars", data))
    run(Workspace.open(tmp_path / "lab-a"))
    shutil.copytree(tmp_path / "lab-a" / "guides", tmp_path / "lab-b" / "guides")
    monkeypatch.chdir(tmp_path / "lab-b")
    found = commands()
    assert len(found) == 6
    for code, line in found:
        result = CliRunner().invoke(main, shlex.split(line)[1:], prog_name="dgkd-cache")
        assert result.exit_code == code, f"{line}: {result.output}"
    assert "2, of which 0 differ" in " ".join(result.output.split())
