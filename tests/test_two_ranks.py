"""Two processes under torchrun do what one does: the same steps, gradients and bytes; they stop and fail together."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support import two_ranks
from support.tiny_chain import MODULE, Lines, dump, train, workspace

from dgkd_cache.errors import Interrupted
from dgkd_cache.models.saved import load_model
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.tasks import dump_draws
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

ROOT = Path(__file__).parent.parent
CHAIN = 'teacher = "plain2"\nta1 = "resnet8"\nstudent = "plain2"'


def environment(folder: Path) -> dict[str, str]:
    """The environment in which a process finds the packages, the tests' support and the workspace's modules."""
    found = [folder.parent, ROOT / "tests", ROOT, ROOT / "cli", ROOT / "stores"]
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, found))}


def torchrun(folder: Path, *command: str | Path) -> subprocess.Popen[str]:
    """`command` as two ranks, at a port of their own."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*start, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(folder),
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that does not hang."""
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a trained and dumped teacher."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "tiny_bars.py").write_text(MODULE)
    (folder / "tiny_nets.py").write_text(two_ranks.NETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        made = workspace(folder / "ws", chain=CHAIN)
        train(made, "teacher")
        dump(made, "teacher")
        yield made


@pytest.fixture(scope="module")
def together(ws: Workspace) -> list[dict]:
    """Returns what each of two ranks saw in the scenario of that name."""
    process = torchrun(ws.folder, two_ranks.__file__, "together", ws.folder)
    code, _, err = ended(process)
    assert code == 0, err
    return [json.loads((ws.folder / f"together-{rank}.json").read_text()) for rank in range(2)]


def weights(ws: Workspace, name: str) -> dict:
    return load_file(ws.run_folder(name) / "weights.safetensors")


def metrics(ws: Workspace, name: str) -> list[dict]:
    lines = read_metrics(ws.run_folder(name) / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_two_ranks_take_the_steps_of_one(ws: Workspace, together: list[dict]) -> None:
    alone: two_ranks.Steps = {}
    end = two_ranks.recorded(alone)
    two_ranks.guided(ws, "smooth-1", "smooth")
    end()
    assert len(alone) == 8 and len({tuple(keep) for _, _, keep in alone.values()}) == 2, "some steps drop the guide"
    for step, (views, samples, keep) in alone.items():
        first, second = (rank["steps"][str(step)] for rank in together)
        assert first[2] == second[2] == keep
        if len(samples) == 3:
            assert first[:2] == second[:2] == [views, samples]
            continue
        assert (len(first[1]), len(second[1])) == (16, 15)
        assert [first[0] + second[0], first[1] + second[1]] == [views, samples]
    one, two = (weights(ws, name) for name in ("smooth-1", "smooth-2"))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-5, atol=1e-6)
    for line_1, line_2 in zip(metrics(ws, "smooth-1"), metrics(ws, "smooth-2"), strict=True):
        assert line_2 == pytest.approx(line_1, rel=1e-5)
    cards = [load_card(ws.run_folder(name)) for name in ("smooth-1", "smooth-2")]
    assert [card.compute["ranks"] for card in cards] == [1, 2]
    assert cards[0].accuracy == cards[1].accuracy and cards[0].inputs_digest == cards[1].inputs_digest


def test_a_stop_on_one_rank_stops_both_and_they_go_on_as_if_never_stopped(ws: Workspace, together: list[dict]) -> None:
    """Dropout and batch norm are in it: each rank's noise and the first one's statistics go on, too."""
    assert [rank["stopped"] for rank in together] == ["training of stopped-2 was stopped after step 3 of 8"] * 2
    whole, parts = (weights(ws, name) for name in ("noisy-2", "stopped-2"))
    for name, value in whole.items():
        assert value.equal(parts[name]), name
    assert metrics(ws, "noisy-2") == metrics(ws, "stopped-2")
    assert {path.name for path in ws.run_folder("stopped-2").iterdir()} == {
        *("card.json", "inputs.json", "metrics.jsonl", "weights.safetensors")
    }


def test_a_rank_without_a_view_of_its_own(ws: Workspace, together: list[dict]) -> None:
    store = ws.store_path("teacher", range(5, 6))
    by_two = store.rename(ws.folder / "by_two")
    assert [rank["seal"] for rank in together] == [dump(ws, "teacher", views=range(5, 6)).seal] * 2
    assert files(by_two) == files(store)


def test_a_shard_is_shared_again(ws: Workspace, together: list[dict]) -> None:
    shutil.rmtree(ws.store_path("teacher", range(7, 12)))
    alone = dump(ws, "teacher", views=range(7, 12))
    assert [rank["shards"] for rank in together] == [[None, alone.seal]] * 2


def test_dumped_by_the_command_the_store_is_that_of_one_process(ws: Workspace, together: list[dict]) -> None:
    """Whose three threads are one a rank under torchrun; one result is printed, that of the first rank."""
    store = ws.store_path("teacher", range(12, 14))
    by_two = store.rename(ws.folder / "by_command")
    torch.set_num_threads(3)
    alone = dump(ws, "teacher", views=range(12, 14))
    torch.set_num_threads(1)
    first, second = together
    assert (json.loads(first["printed"])["seal"], second["printed"]) == (alone.seal, "")
    assert first["threads"] == second["threads"] == 1
    assert files(by_two) == files(store)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copied(ws: Workspace, folder: Path) -> Workspace:
    """The workspace with the teacher's run and without its store."""
    (folder / "ws").mkdir()
    for name in ("tiny_bars.py", "tiny_nets.py"):
        shutil.copy(ws.folder.parent / name, folder)
    shutil.copy(ws.folder / "dgkd.toml", folder / "ws")
    shutil.copytree(ws.run_folder("teacher"), folder / "ws" / "runs" / "teacher")
    return Workspace.open(folder / "ws")


@pytest.mark.slow
def test_dumped_under_torchrun_the_store_is_that_of_one_process(ws: Workspace, tmp_path: Path) -> None:
    """Whose three threads are one a rank under torchrun."""
    two = copied(ws, tmp_path)
    shutil.rmtree(ws.store_path("teacher"))
    torch.set_num_threads(3)
    dump(ws, "teacher")
    torch.set_num_threads(1)
    command = ("-m", "dgkd_cli", "dump", "--model", "teacher", "--device", "cpu", "--json")
    code, out, err = ended(torchrun(two.folder, *command))
    assert code == 0, err
    assert json.loads(out)["seal"], "one result, that of the first rank"
    assert files(ws.store_path("teacher")) == files(two.store_path("teacher"))
    assert not list((two.folder / "guides").glob("*.writing"))


@pytest.mark.slow
def test_draws_dumped_under_torchrun_are_those_of_one_process(ws: Workspace) -> None:
    train(ws, "drawn", architecture="tiny_nets:noisy")
    stores = [ws.store_path("drawn", draw=draw) for draw in range(3)]
    how = {"device": "cpu", "progress": Lines(), "stop": lambda: False}
    dump_draws(ws.naming(["tiny_nets:noisy"]), model="drawn", draws=3, **how)
    alone = [files(store) for store in stores]
    for store in stores:
        shutil.rmtree(store)
    command = ("dump", "drawn", "--draws", "3", "--architecture", "tiny_nets:noisy", "--device", "cpu", "--json")
    code, out, err = ended(torchrun(ws.folder, "-m", "dgkd_cli", *command))
    assert code == 0, err
    assert [files(store) for store in stores] == alone
    assert all(draw["seal"] for draw in json.loads(out)["draws"]), "printed once"


@pytest.mark.slow
def test_two_ranks_prune_what_one_process_prunes(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    train(ws, "source", architecture="tiny_nets:smooth")
    settings = ("pruning.steps=3", f"training.batch_size={two_ranks.BATCH}", "training.lr=0.05")
    command = ["prune", "source", "--sparsity", "0.5,0.8", "--guides", "teacher", *(f"--set={one}" for one in settings)]
    command += ["--architecture", "tiny_nets:smooth", "--device", "cpu", "--json"]
    main(["-w", str(ws.folder), *command, "--name", "one"], standalone_mode=False)
    code, out, err = ended(torchrun(ws.folder, "-m", "dgkd_cli", *command, "--name", "two"))
    assert code == 0, err
    by_one, by_two = json.loads(capsys.readouterr().out), json.loads(out)
    assert [card["name"] for card in by_two] == ["two-s50", "two-s80"]
    assert [card["training"]["pruning"] for card in by_two] == [card["training"]["pruning"] for card in by_one]
    for sparsity in ("s50", "s80"):
        folders = [ws.run_folder(f"{name}-{sparsity}") for name in ("one", "two")]
        models = [load_model(folder, architecture="tiny_nets:smooth") for folder in folders]
        assert [card.compute["ranks"] for _, card in models] == [1, 2]
        (one, _), (two, _) = models
        for (name, alone), shared in zip(one.named_parameters(), two.parameters(), strict=True):
            assert torch.equal(alone == 0, shared == 0), name
            np.testing.assert_allclose(shared.detach(), alone.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_what_one_rank_meets_ends_both(ws: Workspace) -> None:
    code, out, err = ended(torchrun(ws.folder, two_ranks.__file__, "failing", ws.folder))
    assert (code, out) == (1, "")
    said = [line for line in err.splitlines() if line.startswith("Error")]
    assert "Error (rank 1): a row is damaged" in said
    assert len(said) <= 2 and all(line.startswith("Error (rank 0): another rank has ended") for line in said[1:])
    assert err.count("Traceback") == 1, "torchrun's own"
    assert not (ws.folder / "runs" / "ta1.lock").exists()


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that torchrun has started, in the order of ranks."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    while not list(folder.glob(pattern)):
        assert process.poll() is None, ended(process)
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "number"), [("torchrun", signal.SIGTERM), ("one rank", signal.SIGTERM), ("one rank", signal.SIGHUP)]
)
def test_a_signal_stops_all_with_a_checkpoint_from_which_one_process_goes_on(
    ws: Workspace, tmp_path: Path, to: str, number: signal.Signals
) -> None:
    two = copied(ws, tmp_path)
    config = (two.folder / "dgkd.toml").read_text().replace("epochs = 2", "epochs = 400").replace("resnet8", "plain2")
    (two.folder / "dgkd.toml").write_text(config)
    two = Workspace.open(two.folder)
    shutil.copytree(ws.store_path("teacher"), two.store_path("teacher"))
    process = torchrun(two.folder, "-m", "dgkd_cli", "train", "--model", "ta1", "--device", "cpu")
    wait_for(two.folder, "runs/ta1/checkpoint.safetensors", process)
    os.kill(process.pid if to == "torchrun" else ranks_of(process)[1], number)
    code, out, err = ended(process)
    assert (code, out) == (1, ""), "torchrun's own code"
    (said,) = [line for line in err.splitlines() if line.startswith("(rank 0)")]
    stopped = re.match(r"\(rank 0\): training of ta1 was stopped after step ([\d,]+) of 1,200", said)
    assert stopped and 0 < int(stopped[1].replace(",", "")) < 1200
    assert "once more" not in err
    lines = Lines()
    card = train(
        two,
        "ta1",
        training=two.config.training_for("ta1"),
        guides=[two.store_path("teacher")],
        progress=lines,
    )
    assert f"ta1: going on at step {stopped[1]} of 1,200" in lines.lines
    assert card.compute["ranks"] == 1
    assert [line["epoch"] for line in metrics(two, "ta1")] == list(range(400))


@pytest.mark.slow
def test_a_killed_dump_is_taken_up_by_one_process(ws: Workspace, tmp_path: Path) -> None:
    two = copied(ws, tmp_path)
    command = ("-m", "dgkd_cli", "dump", "--model", "teacher", "--views", "0:200", "--device", "cpu")
    process = torchrun(two.folder, *command)
    wait_for(two.folder, "guides/teacher-0-200.zarr/digest/c.1??.*", process)  # the second rank's views
    os.kill(ranks_of(process)[1], signal.SIGKILL)
    code, out, _ = ended(process)
    assert (code, out) == (1, "")
    store = two.store_path("teacher", range(200))
    missing = 200 - len(list(store.glob("digest/c.*")))
    assert missing > 0
    assert dump(two, "teacher", views=range(200)).seal == dump(ws, "teacher", views=range(200)).seal
    assert files(store) == files(ws.store_path("teacher", range(200)))
    assert not list((two.folder / "guides").glob("*.writing"))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_told_once(ws: Workspace, tmp_path: Path) -> None:
    two = copied(ws, tmp_path)
    config = (two.folder / "dgkd.toml").read_text().replace("epochs = 2", "epochs = 2\nlr = 1e30")
    (two.folder / "dgkd.toml").write_text(config)
    command = ("-m", "dgkd_cli", "train", "--student", "plain2", "--method", "scratch", "--device", "cpu")
    code, out, err = ended(torchrun(two.folder, *command))
    assert (code, out) == (1, "")
    (said,) = [line for line in err.splitlines() if line.startswith("Error")]
    assert said.startswith("Error (rank 0): the loss is not finite in epoch")


@pytest.mark.slow
def test_a_parameter_that_is_not_used_is_told(ws: Workspace) -> None:
    command = ("-m", "dgkd_cli", "train", "--student", "tiny_nets:idle", "--method", "scratch", "--device", "cpu")
    code, out, err = ended(torchrun(ws.folder, *command))
    assert (code, out, err.count("Traceback")) == (1, "", 1)
    assert "several ranks cannot train this model" in err and "found none for 2.weight, 2.bias" in err


@pytest.mark.slow
def test_verbs_for_one_process_say_so(ws: Workspace) -> None:
    code, out, err = ended(torchrun(ws.folder, "-m", "dgkd_cli", "run"))
    assert (code, out) == (1, "")
    expected = "expected one of train, prune, dump under torchrun, found run in 2 processes"
    assert f"`run` is work for one process: {expected}" in err


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused_by_all_and_told_once(ws: Workspace, tmp_path: Path) -> None:
    two = copied(ws, tmp_path)
    calls = iter(range(100))
    with pytest.raises(Interrupted):
        train(two, "student-plain2", stop=lambda: next(calls) == 3)
    path = two.run_folder("student-plain2") / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    command = ("-m", "dgkd_cli", "train", "--student", "plain2", "--method", "scratch", "--device", "cpu")
    code, out, err = ended(torchrun(two.folder, *command))
    assert (code, out, err.count("Traceback")) == (1, "", 1), "torchrun's own code and traceback"
    (said,) = [line for line in err.splitlines() if line.startswith("Error")]
    assert said.startswith("Error (rank 0): the checkpoint") and "has changed" in said and "--fresh" in said
    assert path.read_bytes() == bytes(content)
