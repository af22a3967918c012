"""On a GPU: the same chain gives the same bytes, stopped or not; rows in its memory are those of the CPU; two ranks
take the steps of one.

`make test-slow` runs them where torch sees a GPU. DGKD_TEST_DEVICE=cpu tries the tests themselves without one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.tiny_chain import MODULE, THREE, content, workspace

from dgkd_cache.training.metrics import read_metrics

ROOT = Path(__file__).parent.parent
DEVICE = os.environ.get("DGKD_TEST_DEVICE", "cuda")
ROWS = Path(__file__).parent / "support" / "rows_on_device.py"
VIEWS = Path(__file__).parent / "support" / "views_on_device.py"

pytestmark = pytest.mark.slow


def environment(folder: Path) -> dict[str, str]:
    """The shell's value: the suite hides the GPUs from itself."""
    visible = os.environ["DGKD_VISIBLE_GPUS"]
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    places = [folder, ROOT / "tests", ROOT, ROOT / "cli", ROOT / "stores"]
    shown = {} if visible == "all" else {"CUDA_VISIBLE_DEVICES": visible}
    return {**kept, **shown, "PYTHONPATH": os.pathsep.join(map(str, places))}


def python(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), **pipes)


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, f"{out}\n{err}"
    return out


def cli(folder: Path, *words: object, device: str = DEVICE) -> str:
    return ended(python(folder, "-m", "dgkd_cli", "-w", folder / "ws", *words, "--device", device))


@pytest.fixture(scope="module", autouse=True)
def gpu(tmp_path_factory: pytest.TempPathFactory) -> None:
    if DEVICE == "cpu":
        return
    sees = python(tmp_path_factory.mktemp("sees"), "-c", "import torch; print(torch.cuda.is_available())")
    if ended(sees).strip() != "True":
        pytest.skip("torch sees no GPU: nothing was tried on one")


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A folder with a workspace that nothing was run in."""
    (tmp_path / "tiny_bars.py").write_text(MODULE)
    workspace(tmp_path / "ws", chain=THREE)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, after an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny_bars.py").write_text(MODULE)
    workspace(folder / "ws", chain=THREE)
    cli(folder, "run")
    return folder


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_chain_gives_the_same_bytes_again(chain: Path, whole: Path, precision: str) -> None:
    cli(chain, "run", "--set", f"training.precision={precision}")
    if precision == "float32":
        assert content(chain / "ws") == content(whole / "ws")
        return
    first = content(chain / "ws")
    cli(chain, "run", "--set", f"training.precision={precision}", "--set", "training.lr=0.2", "--remake")
    cli(chain, "run", "--set", f"training.precision={precision}", "--remake")
    assert content(chain / "ws") == first


def test_a_chain_that_is_stopped_again_and_again_gives_the_same_bytes(chain: Path, whole: Path) -> None:
    codes = []
    for name in ("teacher", "ta1", "student"):
        begun = python(chain, "-m", "dgkd_cli", "-w", chain / "ws", "run", "--device", DEVICE)
        while begun.poll() is None and not (chain / "ws" / "runs" / name / "checkpoint.safetensors").exists():
            time.sleep(0.001)
        begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=300)
        codes.append(begun.returncode)
    assert 130 in codes, "nothing was stopped"
    cli(chain, "run")
    assert content(chain / "ws") == content(whole / "ws")


def test_rows_in_its_memory_are_those_of_the_cpu(whole: Path) -> None:
    stores = sorted((whole / "ws" / "guides").iterdir())
    found = json.loads(ended(python(whole, ROWS, DEVICE, *stores)))
    assert found["device"].startswith(DEVICE)
    assert found["streamed"] == found["resident"] == found["cpu"]
    assert found["reads"]["streamed"] == found["kept"] > found["reads"]["resident"] == found["views"] * len(stores)


def test_views_of_every_exact_transform_are_those_of_the_cpu(tmp_path: Path) -> None:
    found = json.loads(ended(python(tmp_path, VIEWS, DEVICE)))
    assert found["device"].startswith(DEVICE) and found["lists"] > 15
    assert found["different"] == []


def test_live_guides_give_nearly_the_run_of_cached_ones(whole: Path) -> None:
    cli(whole, "train", "student", "--live", "--name", "live")
    live, cached = (read_metrics(whole / "ws" / "runs" / name / "metrics.jsonl")[0] for name in ("live", "student"))
    assert live["loss"] == pytest.approx(cached["loss"], rel=0.01)


def test_a_store_of_the_gpu_is_computed_again_on_the_cpu(whole: Path) -> None:
    again = cli(whole, "verify", "teacher", "--recompute", "100")
    assert "to the bit" in again
    on_cpu = cli(whole, "verify", "teacher", "--recompute", "100", device="cpu")
    assert ("to the bit" if DEVICE == "cpu" else "within the tolerance for another machine") in on_cpu


def test_two_ranks_share_a_gpu(chain: Path, whole: Path) -> None:
    """With gloo, for nccl wants a GPU for each rank; batch norm is that of the whole batch (SyncBatchNorm)."""
    device = "cpu" if DEVICE == "cpu" else "cuda:0"
    both = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dgkd_cli")
    for words in (("train", "teacher"), ("dump", "teacher")):
        ended(python(chain, *both, "-w", chain / "ws", *words, "--device", device))
    two, one = (read_metrics(folder / "ws" / "runs" / "teacher" / "metrics.jsonl") for folder in (chain, whole))
    assert [line["step"] for line in two] == [line["step"] for line in one]
    if DEVICE != "cpu":  # on CPUs batch norm takes the statistics of each rank's share
        assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=0.01)
    assert "whole" in cli(chain, "verify", "teacher", "--recompute", "50")
