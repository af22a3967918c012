"""`cache.encoding = "uint8"` through the whole command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from support.tiny_chain import workspace

from dgkd_cli.main import main


def test_a_chain_over_uint8_stores(tmp_path: Path) -> None:
    settings = workspace(tmp_path / "ws").folder / "dgkd.toml"
    settings.write_text(settings.read_text().replace("[cache]\n", '[cache]\nencoding = "uint8"\n'))

    def command(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["-w", str(tmp_path / "ws"), *arguments])
        assert (result.exit_code, result.exception) == (0, None), result.output
        return result.stdout

    command("run", "--device", "cpu")
    command("train", "--student", "plain2", "--guides", "teacher,ta1", "--name", "again", "--device", "cpu")
    store = tmp_path / "ws" / "guides" / "ta1.zarr"
    assert "uint8, logits / 4" in command("info", str(store))
    header = json.loads(command("info", str(store), "--json"))["store"]["header"]
    assert header["encoding"] == "uint8" and 0 < float(header["fidelity"]["kl"]) < 1e-5
    assert [(store / name / "c.0.0.0").stat().st_size for name in ("logits", "scale")] == [96 * 4, 96 * 2 * 4]
