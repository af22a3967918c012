"""Hints that give a setting, an option, a name or a list of them: what provokes each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

from dgkd_cache.models.saved import load_model
from dgkd_cache.workspace.run_lock import run_lock
from support.shell import STORE, Case, Shell, small_study

ENUMERATED = {"views.scheme": "enumerated", "views.count": 18}
TRAIN = "train --model teacher"
OTHER_NAME = {"--name": "--name other"}


def fresh_views(shell: Shell) -> None:
    shell.edit({"training.views": "fresh"})
    shell.ok(TRAIN)
    shell.ok("dump --model teacher")


def old_run(shell: Shell) -> None:
    """The run `student` as a version without digests of files wrote it, and without its inputs."""
    shell.remove("runs/student/inputs.json")
    card = json.loads(Path("runs/student/card.json").read_text())
    kept = {key: value for key, value in card.items() if key not in ("files", "digest", "inputs_digest")}
    Path("runs/student/card.json").write_text(json.dumps(kept))


def study_elsewhere(shell: Shell) -> None:
    """A comparison of one run in this workspace; then the user leaves it."""
    small_study(shell)
    shell.ok("compare")
    os.chdir("..")


def no_compiler(shell: Shell) -> None:
    """torch.compile fails as it does where there is none."""
    error = type("Broken", (RuntimeError,), {"__module__": "torch._inductor.exc"})("no compiler")

    def fail(model: object, **settings: object) -> None:
        raise error

    shell.patch.setattr(torch, "compile", fail)


CASES = [
    Case(
        'set schedule = "draw" or scheme = "sampled" under [views]',
        "settings",
        TRAIN,
        lambda shell: shell.edit(ENUMERATED),
        bare=True,
    ),
    Case(
        'set count = X or scheme = "sampled" under [views]',
        "settings",
        TRAIN,
        lambda shell: shell.edit(ENUMERATED | {"views.schedule": "draw", "views.count": 4}),
        bare=True,
    ),
    Case(
        'set scheme = "sampled"',
        "settings",
        TRAIN,
        lambda shell: shell.edit(ENUMERATED | {"views.transforms": ["resized-crop(8)"]}),
        bare=True,
    ),
    Case(
        'set views = "fresh" only in [training.X], or train it with `train --live`',
        "settings",
        "train --model ta1",
        fresh_views,
        bare=True,
    ),
    Case(
        'set views = "fresh" only in [training.X], or train it with `train --live`',
        "options",
        "train --model ta1",
        fresh_views,
        bare=True,
    ),
    Case(
        "set validation in table [dataset]X",
        "settings",
        TRAIN,
        lambda shell: shell.edit({"training.select": "best"}),
        bare=True,
        fill={"validation": "9"},
    ),
    Case(
        "did you mean X?",
        "words",
        "ls",
        lambda shell: shell.edit({"views.count": None, "views.cuont": 2}),
        wrong="cuont",
    ),
    Case("did you mean X?", "words", "eval --model techer", wrong="techer"),
    Case("did you mean X?", "words", "init --dataset digts --chain plain2 new", wrong="digts"),
    Case("take it out of X", "settings", "ls", lambda shell: shell.edit({"views.zzz": 2})),
    Case(
        "write X = ... there",
        "settings",
        "ls",
        lambda shell: shell.edit({"views.transforms": None}),
        fill={"transforms": '["hflip"]'},
    ),
    Case(
        "write [X] there; `dgkd-cache init --dataset digits --chain plain4,plain2 example` X",
        "settings",
        "ls",
        lambda shell: shell.edit({"chain": None}),
    ),
    Case("edit it, or name another folder: `dgkd-cache init --help`", "help", "init --chain plain2"),
    Case(
        "`dgkd-cache ls` lists what is there",
        "lists",
        "train --student plain2 --guides zzz",
        wrong="zzz",
        right="teacher",
    ),
    Case("`dgkd-cache ls` lists what is there", "lists", "info zzz", wrong="zzz", right="teacher"),
    Case("`dgkd-cache ls` lists them", "lists", "eval --model zzz", wrong="zzz", right="teacher"),
    Case("`dgkd-cache models` lists them all", "lists", "models zzz", wrong="zzz", right="plain2"),
    Case(
        "`dgkd-cache datasets` lists them",
        "lists",
        "init --dataset zzz --chain plain2 new",
        wrong="zzz",
        right="digits",
    ),
    Case("`dgkd-cache datasets` lists them", "lists", "datasets zzz", wrong="zzz", right="digits"),
    Case("`dgkd-cache recipes` lists them", "lists", "recipes zzz", wrong="zzz", right="official"),
    Case(
        "choose another architecture (`dgkd-cache models` lists them), views of larger images, or a larger "
        "training.input_size",
        "lists",
        "models resnet20 --image 1x1x1",
        wrong="resnet20",
        right="plain2",
    ),
    Case(
        "start over with --fresh after the command that trains it, as in `dgkd-cache train --model NAME --fresh` "
        "(what is there is set aside), or restore the file from a copy",
        "options",
        "train --student plain2 --guides teacher",
        lambda shell: [
            shell.ok("train --student plain2 --guides teacher"),
            shell.flip("runs/student-plain2/weights.safetensors"),
        ],
    ),
    Case(
        "choose another --name, or start over with --fresh (the old run is set aside, not deleted)",
        "options",
        "train --model student --epochs 3",
        fill=OTHER_NAME,
    ),
    Case(
        "choose another --name, or start over with --fresh",
        "options",
        "train --model student",
        old_run,
        fill=OTHER_NAME,
    ),
    Case(
        "restore it from a copy, or train the model again with --fresh (what is there is set aside)",
        "options",
        lambda: load_model(Path("runs/teacher")),
        lambda shell: shell.remove("runs/teacher/weights.safetensors"),
        then=TRAIN,
    ),
    Case(
        "return the input of the softmax; X (= true in table [cache] of dgkd.toml; --accept-probabilities of X",
        "options",
        "models tiny_bars:softmax --image 1x8x8 --classes 4",
    ),
    Case(
        "return the input of the softmax; X (= true in table [cache] of dgkd.toml; --accept-probabilities of X",
        "settings",
        "train --student tiny_bars:softmax --guides teacher",
    ),
    Case(
        "mend its forward pass where it is yours, set training.input_size to a size that it takes, or choose another X",
        "settings",
        "train --student tiny_bars:large --guides teacher",
        fill={"input_size": "16"},
    ),
    Case(
        "X or choose another architecture (`dgkd-cache models` lists them)",
        "lists",
        "train --student tiny_bars:large --guides teacher",
        wrong="tiny_bars:large",
        right="plain2",
    ),
    Case(
        "choose another training.batch_size; `train --fresh` starts a run over, `run --remake` a chain",
        "settings",
        "train --student tiny_bars:normed --guides teacher",
        lambda shell: shell.edit({"training.batch_size": 95}),
        fill={"batch_size": "32"},
        then="train --student tiny_bars:normed --guides teacher --fresh",
    ),
    Case(
        "lower views.count; in a chain, `run --remake` dumps all views again; a --student takes a store of the missing "
        "views beside this one, as in --guides ta1,ta1-40-60",
        "settings",
        "train --student plain2 --guides teacher",
        lambda shell: shell.edit({"views.count": 3}),
        fill={"count": "2"},
    ),
    Case(
        "install it (CXX may name it), or train with --no-compile",
        "options",
        "train --student plain2 --guides teacher --compile",
        no_compiler,
    ),
    Case(
        "wait until it is done, stop it (it saves a checkpoint), or train under another --name",
        "options",
        "train --student plain2 --guides teacher",
        lambda shell: shell.stack.enter_context(run_lock(Path("runs/student-plain2").resolve(), "student-plain2")),
        fill=OTHER_NAME,
    ),
    Case("`dgkd-cache models` lists them", "lists", "init --chain , new", wrong=",", right="plain2"),
    Case(
        "write the path in full (HOME tells where ~ is)",
        "words",
        "verify ~nobody-here/teacher.zarr",
        fill={"the path in full": STORE},
        wrong="~nobody-here/teacher.zarr",
    ),
    Case(
        "lower training.lr or train in float32; `train --fresh` starts a run over, `run --remake` a chain",
        "settings",
        TRAIN,
        lambda shell: shell.edit({"training.lr": 1e30}),
        bare=True,
        fill={"lr": "0.01"},
        then=f"{TRAIN} --fresh",
    ),
    Case(
        "lower training.lr or train in float32; `train --fresh` starts a run over, `run --remake` a chain",
        "settings",
        "run",
        lambda shell: shell.edit({"training.lr": 1e30}),
        bare=True,
        fill={"lr": "0.01"},
        then="run --remake",
    ),
    Case("leave --data-root out", "options", "datasets digits --data-root ."),
    Case(
        "go to the workspace of one, or name its results with --results",
        "options",
        "report",
        study_elsewhere,
        bare=True,
        fill={"--results": "--results bare/compare/results.json"},
    ),
    Case("leave --dataset out", "options", "init --recipe dgkd-table2 --dataset mnist new"),
    Case(
        "add --scheme sampled",
        "options",
        "init --recipe dgkd-table2 --views 40 new",
        fill={"--scheme": "--scheme sampled"},
    ),
    Case("leave --scheme out", "options", "init --chain plain2 --scheme enumerated --views 3 new"),
    Case(
        "choose guides (--method for a model of the chain, --guides for --student)",
        "options",
        "train --model student --method scratch --lambda 0.5 --name other",
        fill={"--method": "--method dgkd", "--guides": "", "--student": ""},
    ),
    Case(
        "choose another --method and a --chain of at least two",
        "options",
        "init --lambda 0.5 --method scratch --chain plain4,plain2 new",
        fill={"--method": "--method dgkd", "--chain": ""},
    ),
    Case(
        "choose another --name",
        "options",
        "train --student plain2 --guides teacher --name teacher --fresh",
        fill=OTHER_NAME,
    ),
]
