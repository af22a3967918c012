"""Types the commands that the README and the docs tell a newcomer to type."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from platform import libc_ver
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import dgkd_cache
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.device.allocator import VARIABLES, describe_freed_memory
from dgkd_cache.device.openmp import SPIN_COUNT
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cli.main import main
from dgkd_stores import GuideStore

ROOT = Path(__file__).parent.parent


def block_after(page: str, heading: str, language: str) -> str:
    text = f"\n{(ROOT / page).read_text(encoding='utf-8')}".split(f"\n{heading}\n", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, (page, heading)
    return found.group(1)


def dgkd(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result.stdout


def test_the_gains_are_those_of_the_page_of_performance() -> None:
    """Each row's sides, ratio, interval and n stand in one row of the page, which is made of measured files."""
    gains = (ROOT / "README.md").read_text(encoding="utf-8").split("## What it gains")[1].split("\n## ")[0]
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    step = page.split("<!-- table: step -->")[1].split("<!-- end of table -->")[0]
    measured = {tuple(cell.strip() for cell in line.split("|")[2:7]) for line in step.splitlines() if line[:1] == "|"}
    rows = [[cell.strip() for cell in line.split("|")[2:6]] for line in gains.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 4
    for sides, median, interval, n in rows:
        found = [row for row in measured if (*row[:3], row[4]) == (sides, median, interval, n)]
        assert found, f"no row of docs/performance.md has {sides} | {median} | {interval} | {n}: copy the new figures"
    alone = re.search(r"takes ([\d.]+) times as long \(([\d. to]+)\) as one with three cached guides", gains)
    cached = {row[1:3] for row in measured if re.fullmatch(r"alone [\d.]+ ms, 3 guides [\d.]+ ms", row[0])}
    assert alone and alone.groups() in cached
    assert "python -m benchmarks.step" in gains and "`python -m benchmarks.step`" in step


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dgkd(*shlex.split("init --dataset digits --chain resnet14,resnet8,plain4,plain2 --epochs 1 --views 1 --lr 0.05"))
    lines = block_after("README.md", "## By hand", "sh").strip().splitlines()
    assert len(lines) > 8
    for line in lines:
        output = dgkd(*shlex.split(line)[1:])
    assert "ta1" in output
    assert {path.name for path in (tmp_path / "runs").iterdir()} >= {"teacher", "student-resnet8", "student-kd"}


def test_reading_a_store_as_the_docs_say(
    tmp_path: Path, dump: Callable[..., Path], make_tiny, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guides").mkdir()
    dump(tmp_path / "ta1.zarr", make_tiny(1), views=range(4))
    exec(block_after("docs/library.md", "## Reading a store", "python"), {})
    assert re.match(r"ta1 [0-9a-f]{64} \(3, 4\)", capsys.readouterr().out)
    exec(block_after("docs/library.md", "## Checking and converting a store", "python"), {})
    with GuideStore.open("ta1.h5") as store:
        assert (store.kind, store.codec) == ("hdf5", "gzip")
    assert capsys.readouterr().out == ""
    (tmp_path / "ta1.zarr").rename(tmp_path / "guides" / "ta1.zarr")
    names: dict[str, object] = {}
    exec(block_after("docs/guide.md", "## Stores", "python"), names)
    assert names["logits"].shape == (4, 100, 4)


@pytest.mark.parametrize(
    ("page", "heading", "steps"),
    [("docs/library.md", "# The library in your own loop", 30 * 12), ("README.md", "## In your own training loop", 24)],
)
def test_the_loop_of_a_page_trains_a_student(
    tmp_path: Path, dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, page: str, heading: str, steps: int
) -> None:
    """The README's loop with the digits in place of CIFAR-10, for two epochs and with the usual lines added."""
    monkeypatch.chdir(tmp_path)
    data = load_dataset("digits")
    views = ViewRenderer(ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)"]), data.train)
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    for folder, name in [(folder, name) for folder in (".", "guides") for name in ("teacher", "ta1")]:
        guide = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
        test = ViewRenderer(views.plan, data.test)
        dump(tmp_path / folder / f"{name}.zarr", guide, train=views, test=test, views=range(2))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    code = block_after(page, heading, "python").replace('"cifar10"', '"digits"').replace("epochs=160", "epochs=2")
    code = code.replace("    ...", "    optimizer.zero_grad(); loss.backward(); optimizer.step()")
    names: dict[str, Any] = {"dgkd": dgkd_cache, "student": student, "optimizer": optimizer}
    before = student[1].weight.detach().clone()
    exec(code, names)
    assert names["batch"].step == steps - 1 and not torch.equal(student[1].weight.detach(), before)
    names["bank"].close()


def test_a_teacher_and_a_student_of_ones_own_take_at_most_12_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teacher that is made by hand, the nearest mean of a class, which a linear student can learn."""
    monkeypatch.chdir(tmp_path)
    code = block_after("docs/library.md", "## A teacher and a student of your own", "python")
    assert len(code.splitlines()) <= 12
    data = load_dataset("digits")
    teacher, student = (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval() for _ in range(2))
    pixels_N64 = data.train.pixels_NIHW.flatten(1).float()
    with torch.no_grad():
        for label in range(10):
            mean_64 = pixels_N64[torch.from_numpy(data.train.labels_N == label)].mean(0) / 255
            teacher[1].weight[label], teacher[1].bias[label] = 40 * mean_64, -20 * mean_64.square().sum()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.5)
    names: dict[str, Any] = {"dgkd": dgkd_cache, "teacher": teacher, "student": student, "optimizer": optimizer}
    exec(code, names)
    names["bank"].close()
    assert (
        dgkd_cache.evaluate(student, lambda pixels: student(pixels / 255), data.test).accuracy > 0.7
    )  # by chance: 0.1


def test_sharing_a_store_as_the_docs_say(
    tmp_path: Path, dump: Callable[..., Path], make_tiny: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dgkd.toml").write_text(
        '[views]\ntransforms = ["none"]\ncount = 3\n[chain]\nta1 = "plain4"\nta2 = "plain2"\n'
    )
    dump(tmp_path / "guides" / "ta1.zarr", make_tiny(1))
    for line in block_after("docs/guide.md", "## Sharing a store", "sh").strip().splitlines():
        dgkd(*shlex.split(line)[1:])
    names: dict[str, object] = {}
    exec(block_after("docs/guide.md", "## Sharing a store", "python"), names)
    assert names["logits"].shape == (3, 100, 4)
    names["logits"].file.close()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["ta1.zarr"]


def test_the_demo_is_what_the_readme_shows(tmp_path: Path) -> None:
    """The Makefile's command line for the demo, down to its workspace: the training itself is a slow test."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = re.search(r"dgkd-cache (init demo .*)", recipe)
    assert line
    text = dgkd(*shlex.split(line.group(1).replace("init demo", f"init {tmp_path}")))
    assert "resnet26" in text and (tmp_path / "dgkd.toml").is_file()
    shown = block_after("README.md", "## Two commands", "text").splitlines()
    chain = shlex.split(line.group(1))[shlex.split(line.group(1)).index("--chain") + 1].split(",")
    assert shown[0].split() == ["model", "architecture", "parameters", "guides", "accuracy", "train", "dump", "cache"]
    assert [row.split()[1] for row in shown[1:5]] == chain


def test_a_script_sets_threads_and_memory_before_torch_is_loaded() -> None:
    block = block_after("docs/library.md", "## Threads that wait, memory that is freed", "python")
    ask = "import sys\n" + block.replace("import torch", "assert 'torch' not in sys.modules")
    ask += "\nprint(os.environ['GOMP_SPINCOUNT'], describe_freed_memory(os.environ))"
    ask = ask.replace("import keep_freed_memory", "import describe_freed_memory, keep_freed_memory")
    ours = ("GOMP_", "OMP_WAIT", "MALLOC_", "GLIBC_TUNABLES")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run([sys.executable, "-c", ask], env=bare, capture_output=True, text=True)
    told = describe_freed_memory(VARIABLES if libc_ver()[0] == "glibc" else {})
    assert done.stdout.strip() == f"{SPIN_COUNT} {told}", done.stderr
