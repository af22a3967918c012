"""The commands of docs/sharing.md on signing, trusted keys and cards, in the folders of two labs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import CONFIG, MODULE, dump, train

from dgkd_cache.config.tables import SharingConfig
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

PAGE = (Path(__file__).parent.parent / "docs" / "sharing.md").read_text(encoding="utf-8")
SECTIONS = PAGE[PAGE.index("## Signing") :]
CHAIN = 'teacher = "plain2"\nstudent = "plain2"'


def run(line: str) -> None:
    """Runs a command of the page in the current folder, as a shell would."""
    if not line.startswith("dgkd-cache "):
        # The page leaves the passphrase to be typed.
        line += " -q -N ''" if line.startswith("ssh-keygen -t") else ""
        subprocess.run(["bash", "-ec", line], check=True, capture_output=True, timeout=60)
        return
    command, _, file = line.partition(" > ")
    result = CliRunner().invoke(main, shlex.split(command)[1:], prog_name="dgkd-cache")
    assert result.exit_code == 0, f"{line}: {result.output}"
    if file:
        Path(file).write_text(result.stdout)


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography", reason="the extra share is not installed")
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed (Debian: openssh-client)")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "signing_page_bars.py").write_text(MODULE)
    labs = [
        Workspace.init(tmp_path / lab, CONFIG.format(chain=CHAIN).replace("tiny_bars", "signing_page_bars"))
        for lab in ("lab-a", "lab-b")
    ]
    train(labs[0], "teacher")
    dump(labs[0], "teacher")
    blocks = re.findall(r"^```sh (lab-[ab])\n(.*?)^```$", SECTIONS, flags=re.DOTALL | re.MULTILINE)
    assert [lab for lab, _ in blocks] == ["lab-a", "lab-b", "lab-a", "lab-b", "lab-a"]
    for number, (lab, block) in enumerate(blocks):
        monkeypatch.chdir(tmp_path / lab)
        for line in block.splitlines():
            run(line)
        if not number:  # the key goes to the other lab by another way
            key = shutil.copy("lab_key.pub", tmp_path / "lab-b")
            (tmp_path / "lab-b" / "allowed_signers").write_text(f"lab@example.org {Path(key).read_text()}")
    assert (tmp_path / "lab-b" / "guides" / "teacher.zarr.sig").is_file()
    assert {path.name for path in (tmp_path / "lab-a" / "public").iterdir()} == {"README.md", "croissant.json"}


def test_the_settings_are_settings() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", SECTIONS, flags=re.DOTALL | re.MULTILINE)
    table = SharingConfig.model_validate(tomllib.loads(text)["sharing"])
    assert len(table.keys) == 2 and table.allowed_signers == "keys/allowed_signers"
