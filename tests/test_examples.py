"""The examples run as a user runs them: own models dumped, then students from their stores, by a plain loop or by a
training framework, which takes the loader's batches as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special
from support.tiny_chain import add_module, content, dump, train, workspace

from dgkd_cache import Dataset, Dropping, GuideBank, RunRandom, evaluate, load_dataset
from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_stores import GuideStore

EXAMPLES = Path(__file__).parent.parent / "examples"

FRAMEWORKS = {"train_lightning.py": ["lightning"], "train_hf.py": ["transformers", "accelerate"]}
"""The packages of the extra `frameworks` that an example needs."""
RECORD = """
import json, runpy, sys
from dgkd_cache import GuidedBatch

seen, loss = [], GuidedBatch.loss

def recorded(batch, *arguments, **named):
    seen.append([batch.step, *(array.tolist() for array in (batch.samples, batch.views, batch.kept))])
    return loss(batch, *arguments, **named)

GuidedBatch.loss = recorded
record, *sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
with open(record, "w") as file:
    json.dump(seen, file)
"""
"""Runs an example, and records the batches that it takes the loss of."""
IN_TURN = """
import json, runpy, sys

import dgkd_cache.workspace.tasks

for sys.argv in map(json.loads, sys.argv[1:]):
    runpy.run_path(sys.argv[0], run_name="__main__")
assert not {"zarr", "h5py"} & set(sys.modules), "only those who read stores elsewhere need these"
"""
"""Runs several command lines of examples in one process: most of the time of one goes into importing torch."""


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # quickest for what is tiny
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(*commands: list[str | Path]) -> list[str]:
    """Command lines for `IN_TURN`, a text each."""
    return [json.dumps([str(word) for word in command]) for command in commands]


def run_array(folder: Path, example: str, *arguments: str, in_folder: Path) -> list[str]:
    """Returns the output of two jobs of a Slurm array, run at once and each with its number."""
    command = folder / "bin" / "dgkd-cache"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dgkd_cli "$@"\n')
    command.chmod(0o755)
    shown = {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        "SLURM_ARRAY_TASK_COUNT": "2",
        "SLURM_CPUS_PER_TASK": "1",
    }

    def job(number: int) -> str:
        done = subprocess.run(
            ["bash", str(EXAMPLES / example), *arguments],
            capture_output=True,
            text=True,
            cwd=in_folder,
            env={**os.environ, **shown, "SLURM_ARRAY_TASK_ID": str(number)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ThreadPoolExecutor(2) as together:
        return list(together.map(job, range(2)))


@pytest.mark.slow
def test_the_slurm_array_makes_the_store_of_one_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_module(tmp_path, monkeypatch)
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"')
    train(ws, "teacher")
    printed = run_array(tmp_path, "dump_array.sbatch", "teacher", in_folder=ws.folder)
    assert all("teacher.zarr" in text for text in printed)
    by_array = content(ws.folder)
    shutil.rmtree(ws.store_path("teacher"))
    assert dump(ws, "teacher").seal
    assert content(ws.folder) == by_array


@pytest.mark.slow
def test_the_slurm_array_compares_as_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_module(tmp_path, monkeypatch)
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"')
    words = ("--methods", "scratch,kd", "--seeds", "2")
    printed = run_array(tmp_path, "compare_array.sbatch", *words, in_folder=ws.folder)
    assert printed[0] == printed[1]
    assert re.search(r"^scratch +2 +\d", printed[0], re.MULTILINE), "the row of a variant of two runs"
    by_array = (ws.folder / "compare" / "results.json").read_bytes()
    (ws.folder / "compare").rename(tmp_path / "by-array")
    study = set_up_study(ws, methods=["scratch", "kd"], seeds=range(2))
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert (study.folder / "results.json").read_bytes() == by_array


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *[("train_student.py", 40), ("dump_own_model.py", 40), ("ensemble_guide.py", 60), ("import_topk.py", 70)],
        *((name, 60) for name in FRAMEWORKS),
    ],
)
def test_an_example_is_short(name: str, most: int) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= most


def test_the_loop_of_a_student_of_ones_own_is_at_most_12_lines() -> None:
    """From the guides to the last step: what a person adds to a script that has data, a model and an optimiser."""
    lines = (EXAMPLES / "train_student.py").read_text().split("\n\n    bank = ")[1].split("\n\n")[0].splitlines()
    assert 5 <= len(lines) <= 12 and lines[-1].strip() == "optimizer.step()"


def dump_own_models(folder: Path, *names: str) -> list[Path]:
    # At once: most of their time goes into importing torch.
    with ThreadPoolExecutor(len(names)) as together:
        printed = together.map(lambda name: run(EXAMPLES / "dump_own_model.py", name, folder), names)
        assert all(f"{name}.zarr" in line for name, line in zip(names, printed, strict=True))
    return [folder / f"{name}.zarr" for name in names]


def test_dump_three_models_and_train_from_their_stores(tmp_path: Path) -> None:
    names = ("teacher", "ta1", "ta2")
    stores = [tmp_path / f"{name}.zarr" for name in names]
    dumps = [[EXAMPLES / "dump_own_model.py", name, tmp_path] for name in names]
    *dumped, trained = run("-c", IN_TURN, *shown(*dumps, [EXAMPLES / "train_student.py", *stores])).splitlines()
    assert all(f"{name}.zarr" in line for name, line in zip(names, dumped, strict=True))
    for path in stores:
        with GuideStore.open(path) as store:
            assert store.seal and float(store.header.guide.accuracy) > 0.8
    assert float(trained.split()[-1]) > 0.8


def accuracy_under(store: Path, data: Dataset) -> float:
    """The test accuracy of one linear layer that learns from a guide alone."""
    torch.manual_seed(0)
    student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
    with GuideBank([store], data.train) as bank:
        for batch in bank.loader(batch_size=128, epochs=10, dropping=Dropping(kind="none")):
            loss = batch.loss(student(batch.pixels / 255), lambda_=1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return evaluate(student, lambda pixels: student(pixels / 255), data.test).accuracy


def test_guides_without_a_model_and_a_student_under_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mean of two models, and rows of three classes; how far these are from all ten is told as scipy has it."""
    data = load_dataset("digits")
    train = data.train
    pixels_NP = train.pixels_NIHW.numpy().reshape(len(train), -1) / 255
    means_CP = np.stack([pixels_NP[train.labels_N == label].mean(0) for label in range(10)])
    dense_NC = special.softmax(-4 * ((pixels_NP[:, None] - means_CP) ** 2).sum(2), axis=1)
    indices_N3 = np.argsort(-dense_NC, axis=1)[:, :3]
    np.savez(tmp_path / "topk.npz", indices=indices_N3, values=np.take_along_axis(dense_NC, indices_N3, axis=1))
    np.save(tmp_path / "dense.npy", dense_NC)
    topk, ensemble = tmp_path / "topk.zarr", tmp_path / "ensemble.zarr"
    for command in (
        [EXAMPLES / "ensemble_guide.py", tmp_path],
        [EXAMPLES / "import_topk.py", tmp_path / "topk.npz", topk, tmp_path / "dense.npy"],
    ):
        monkeypatch.setattr("sys.argv", [str(word) for word in command])
        runpy.run_path(str(command[0]), run_name="__main__")  # in this process, which has loaded torch already
    printed = capsys.readouterr().out
    for path in (ensemble, topk):
        assert accuracy_under(path, data) > 0.7  # of 10 classes
    with GuideStore.open(ensemble) as store:
        assert (
            float(store.header.guide.accuracy) > 0.8 and len(store.header.guide.identity["mean of the logits of"]) == 2
        )
    with GuideStore.open(topk) as store:
        found_NC = store.gather([0] * len(train), range(len(train))).astype(np.float64)
        assert store.header.dataset.test_samples == 0 and store.header.views == 1
        assert (store.header.encoding, store.header.encoding_settings) == ("topk", {"k": 3, "temperatures": ["1"]})
        digest = hashlib.sha256((tmp_path / "topk.npz").read_bytes()).hexdigest()
        assert store.header.guide.identity == {"top-k rows of SHA-256": digest}
    others_NC = np.ones_like(dense_NC, dtype=bool)
    np.put_along_axis(others_NC, indices_N3, False, axis=1)
    imported_NC = special.softmax(found_NC, axis=1)
    np.testing.assert_allclose(imported_NC[~others_NC], dense_NC[~others_NC], rtol=2e-2, atol=1e-6)
    rest_N = imported_NC[others_NC].reshape(-1, 7)
    assert np.ptp(rest_N, axis=1).max() < 1e-6
    (said,) = re.findall(r"KL to all classes: (\S+) nats", printed)
    assert float(said) == pytest.approx(special.rel_entr(dense_NC, imported_NC).sum(1).mean(), rel=0.05, abs=1e-4)
    with pytest.raises(Mismatch, match="training at temperature 1, found 4"):
        GuideBank([topk], train, temperature=4.0)


def test_rows_that_are_not_the_largest_are_refused() -> None:
    spread = runpy.run_path(str(EXAMPLES / "import_topk.py"))["spread"]
    rows_NC = spread(np.array([[3, 1]]), np.array([[0.6, 0.2]]), 4)
    np.testing.assert_allclose(np.exp(rows_NC), [[0.1, 0.2, 0.1, 0.6]])
    with pytest.raises(SystemExit, match="the K largest"):
        spread(np.array([[3, 1]]), np.array([[0.3, 0.1]]), 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_trains_on_the_batches_of_the_loader(name: str, tmp_path: Path) -> None:
    """Each sample once an epoch in the run's order, every epoch another one, under the guides that the run draws."""
    for package in FRAMEWORKS[name]:
        if not find_spec(package):
            pytest.skip(f"{package} is not installed: examples/{name} is not tried (pip install -e '.[frameworks]')")
    stores = dump_own_models(tmp_path, "teacher", "ta1")
    record = tmp_path / "record.json"
    assert float(run("-c", RECORD, record, EXAMPLES / name, *stores).split()[-1]) > 0.8  # of 10 classes

    with GuideStore.open(stores[0]) as store:
        samples_N = np.arange(store.header.dataset.samples)
    random, expected = RunRandom(0), list[list[object]]()
    for epoch in range(5):
        order_N = random.order(epoch, samples_N)
        for samples_B in np.split(order_N, range(128, len(order_N), 128)):
            step = len(expected)
            kept_G = Dropping(keep=0.75).keep_mask(random, step, ["teacher", "ta1"])
            expected.append([step, samples_B.tolist(), [epoch % 4] * len(samples_B), kept_G.tolist()])
    assert json.loads(record.read_text()) == expected
    assert len({str(kept_G) for *_, kept_G in expected}) == 4  # none, either and both
