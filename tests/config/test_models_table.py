"""[models.NAME] in a dgkd.toml: everything else stays to the byte."""

from __future__ import annotations

import threading
import tomllib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dgkd_cache.config import models_table
from dgkd_cache.config.models_table import write_model
from dgkd_cache.config.tables import ModelConfig
from dgkd_cache.config.template import render_config
from dgkd_cache.config.workspace_config import parse_config, read_config
from dgkd_cache.errors import InvalidInput

MODEL = ModelConfig(architecture="torchvision:resnet18", weights="a" * 64)
OTHER = ModelConfig(architecture="mynets:make", weights="b" * 64)
TEXT = (
    '# mine\n[views]\ntransforms = ["crop(1)"]  # a comment\n\n[chain]\nteacher = "adopted:big"\nstudent = "plain2"\n'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "dgkd.toml").write_text(TEXT)
    return tmp_path / "dgkd.toml"


def test_a_table_is_put_at_the_end(path: Path) -> None:
    assert write_model(path, "big", MODEL)
    assert path.read_text().startswith(TEXT)
    assert read_config(path).models == {"big": MODEL}
    assert not write_model(path, "big", MODEL)


def test_a_table_is_replaced_where_it_stands(path: Path) -> None:
    write_model(path, "big", MODEL)
    write_model(path, "other", MODEL)
    path.write_text(path.read_text() + "\n[cache]\ntemperature = 2.0\n")
    before = path.read_text()
    assert write_model(path, "big", OTHER)
    changed = before.replace('architecture = "torchvision:resnet18"\nweights = "' + "a" * 64, "X", 1)
    expected = changed.replace("X", 'architecture = "mynets:make"\nweights = "' + "b" * 64)
    assert tomllib.loads(path.read_text()) == tomllib.loads(expected)
    assert path.read_text().replace("\n\n", "\n") == expected.replace("\n\n", "\n")


def test_a_file_without_a_last_line_end_a_byte_order_mark_and_a_link(path: Path) -> None:
    path.write_bytes("\ufeff".encode() + TEXT.rstrip().encode())
    link = path.with_name("link.toml")
    link.symlink_to(path)
    assert write_model(link, "big", MODEL)
    assert link.is_symlink() and read_config(path).models == {"big": MODEL}


@pytest.mark.parametrize(
    "models",
    [f'[models]\nbig = {{ architecture = "x", weights = "{"c" * 64}" }}\n', f'models.big.weights="{"c" * 64}"\n'],
)
def test_models_that_are_written_in_another_way_are_left(path: Path, models: str) -> None:
    text = models + TEXT if models.startswith("models.") else TEXT + models
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"cannot be written into .*add it by hand: \[models.big\]; architecture = "):
        write_model(path, "big", MODEL)
    assert path.read_text() == text


def test_init_writes_adopted_models_too() -> None:
    tables = {
        "views": {"transforms": ["crop(1)"]},
        "chain": {"student": "plain2"},
        "models": {"big": MODEL.model_dump()},
    }
    config = parse_config(tables, source="it")
    assert parse_config(tomllib.loads(render_config(config)), source="again") == config


def test_two_at_once_lose_no_table(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one comes while the first one has read the file and has not yet written it."""
    own_read, own_lock, waits = models_table.read_tables, models_table.folder_lock, threading.Event()
    locked, others = list[Path](), list[Future[bool]]()

    def locking(folder: Path) -> Any:
        locked.append(folder)
        if len(locked) == 2:
            waits.set()
        return own_lock(folder)

    def reading(file: Path) -> dict[str, Any]:
        found = own_read(file)
        if not others:
            others.append(pool.submit(write_model, path, "other", OTHER))
            assert waits.wait(60)
        return found

    monkeypatch.setattr(models_table, "folder_lock", locking)
    monkeypatch.setattr(models_table, "read_tables", reading)
    with ThreadPoolExecutor(1) as pool:
        assert write_model(path, "big", MODEL) and others[0].result()
    assert read_config(path).models == {"big": MODEL, "other": OTHER}
