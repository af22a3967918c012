"""Hints that give commands: what provokes each."""

from __future__ import annotations

import json
from pathlib import Path

from dgkd_cache.config.workspace_config import read_config
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore
from support.program_guide import program_guide
from support.shell import LOOSE, STORE, Case, Shell, small_study

STALE = {"training.seed": 5}
TRAIN = "train --model teacher"
CHUNK = f"{STORE}/logits/c.0.0.0"


AGAIN = "`dgkd-cache train --model teacher --fresh` and `dgkd-cache dump --model teacher`"


def newer_run(shell: Shell) -> None:
    """The run `teacher` as another version might write it."""
    card = json.loads(Path("runs/teacher/card.json").read_text())
    kept = {key: value for key, value in card.items() if key not in ("files", "digest")}
    Path("runs/teacher/card.json").write_text(json.dumps(kept | {"version": 2}))


def damaged_file(shell: Shell) -> None:
    shell.ok("export teacher guide.h5")
    data, rows = Path("guide.h5").read_bytes(), Path(CHUNK).read_bytes()[:32]
    assert data.count(rows) == 1
    Path("guide.h5").write_bytes(data.replace(rows, bytes(len(rows))))


def damaged_study(shell: Shell, file: str) -> None:
    """A comparison of one run, of which nothing is there but an empty object in one file."""
    small_study(shell)
    Path("compare").mkdir()
    Path("compare", file).write_text("{}")


def half_a_store(shell: Shell) -> None:
    shell.remove(STORE)
    shell.ok("dump --model teacher --shard 0/2")


def program_store(shell: Shell) -> None:
    ws = Workspace.open(shell.folder)
    program_guide(ws, ws.store_path("given")).run()


def drawn_teacher(shell: Shell) -> None:
    shell.edit({"chain.teacher": "wrn-10-1-dropout0.3"})
    shell.ok(f"{TRAIN} --fresh")


def half_a_draw(shell: Shell) -> None:
    drawn_teacher(shell)
    shell.ok("dump --model teacher --draws 1 --shard 0/2")


COMMANDS = [
    Case(
        "`dgkd-cache dump X --draws X` makes it",
        "commands",
        "train --student plain2 --guides teacher.d1 --name drawn",
        drawn_teacher,
    ),
    Case("X --draws X", "commands", "train --student plain2 --guides teacher.d0 --name drawn", half_a_draw),
    Case("leave --recompute out", "options", "verify given --recompute 8", program_store),
    Case(
        "write [X] there; `dgkd-cache init --dataset digits --chain plain4,plain2 example` X",
        "commands",
        "ls",
        lambda shell: shell.edit({"chain": None}),
        then="-w example ls",
    ),
    Case(
        "`dgkd-cache init --dataset digits --chain plain4,plain2` makes one there; -w DIR names another folder, as in "
        "`dgkd-cache -w DIR ls`",
        "commands",
        "ls",
        lambda shell: shell.settings.rename("../kept.toml"),
        bare=True,
        fill={"DIR": "../done"},
    ),
    Case(
        "`dgkd-cache init --dataset digits --chain plain4,plain2` makes one there; -w DIR names another folder, as in "
        "`dgkd-cache -w DIR ls`",
        "commands",
        "-w elsewhere ls",
        fill={"DIR": "../done"},
    ),
    Case(
        "`dgkd-cache init --dataset digits --chain plain4,plain2` writes one, and `dgkd-cache init --help` tells more",
        "commands",
        lambda: read_config(Path("dgkd.toml")),
        lambda shell: shell.settings.unlink(),
        together=True,
        bare=True,
    ),
    Case("`dgkd-cache train X` trains it", "commands", "dump --model teacher", bare=True),
    Case(
        "`dgkd-cache --help` lists the verbs, and --help after a verb describes it",
        "commands",
        "help",
        then="ls --help",
    ),
    Case(
        "`dgkd-cache run` trains and dumps the whole chain",
        "commands",
        "train --student plain2 --guides ta1",
        bare=True,
    ),
    Case(
        "`dgkd-cache dump X` makes it",
        "commands",
        "train --student plain2 --guides teacher",
        lambda shell: shell.remove(STORE),
    ),
    Case(
        "start over with --fresh after the command that trains it, as in `dgkd-cache train --model NAME --fresh` "
        "(what is there is set aside), or restore the file from a copy",
        "commands",
        TRAIN,
        lambda shell: shell.flip("runs/teacher/card.json"),
        fill={"NAME": "teacher"},
    ),
    Case(
        "`dgkd-cache train --model X --fresh` sets it aside and trains it again",
        "commands",
        "eval --model ta1",
        lambda shell: shell.flip("runs/ta1/weights.safetensors"),
    ),
    Case(
        "`dgkd-cache run --remake` sets aside what does not fit, and makes it again",
        "commands",
        "eval --model ta1",
        lambda shell: shell.edit({"views.seed": 4}),
    ),
    Case(
        "undo the change, or `dgkd-cache run --remake` sets it aside with every model distilled from it and makes "
        "them again",
        "commands",
        "run",
        lambda shell: shell.edit(STALE),
    ),
    Case(
        "undo the change, or `dgkd-cache run --remake` sets the store aside, dumps it again and remakes every model "
        "distilled from it",
        "commands",
        "run",
        lambda shell: shell.edit({"cache.encoding": "float32"}),
    ),
    Case(
        "restore it from a copy, or X (`dgkd-cache run --remake` does both)",
        "commands",
        "run",
        lambda shell: shell.flip("runs/ta1/weights.safetensors"),
    ),
    Case(
        "train it first (`dgkd-cache train --model NAME`, or `dgkd-cache run` for the whole chain)",
        "commands",
        lambda: load_card(Path("runs/teacher")),
        bare=True,
        fill={"NAME": "teacher"},
    ),
    Case(
        "finish it, in its workspace, with `dgkd-cache dump --model X`",
        "commands",
        "train --student plain2 --guides teacher",
        half_a_store,
    ),
    Case(
        "`dgkd-cache verify --full X` tells what is damaged, `dgkd-cache repair X` mends it",
        "commands",
        "train --student plain2 --guides teacher",
        lambda shell: shell.flip(CHUNK),
        together=True,
    ),
    Case(
        "check the path; in a workspace `dgkd-cache ls` lists the stores, `dgkd-cache dump --model NAME` makes one",
        "commands",
        f"info {STORE}",
        lambda shell: shell.remove(STORE),
        together=True,
        fill={"NAME": "teacher"},
    ),
    Case(
        "give what it was made with, choose another path, or remove X to begin again",
        "commands",
        "dump --model teacher",
        lambda shell: [half_a_store(shell), shell.edit({"cache.encoding": "float32"})],
        together=True,
    ),
    Case(
        "get a whole copy of it, or remove X and make it again with X",
        "commands",
        f"repair {STORE}",
        lambda shell: shell.swap(f"{STORE}/zarr.json", 'dgkd_seal": "'),
        together=True,
    ),
    Case(
        "`dgkd-cache -w WORKSPACE repair X`; what needs no guide is mended",
        "commands",
        f"repair {LOOSE}",
        lambda shell: [shell.flip(CHUNK), shell.loosen()],
        fill={"WORKSPACE": "done"},
    ),
    Case(
        "name it with -w, as in `dgkd-cache -w WORKSPACE verify PATH --recompute 1000`",
        "commands",
        f"verify {LOOSE} --recompute 9",
        Shell.loosen,
        fill={"WORKSPACE": "done", "PATH": LOOSE},
    ),
    Case(
        "name the workspace that has it (`dgkd-cache -w WORKSPACE verify X --recompute X`)",
        "commands",
        f"-w bare verify {LOOSE} --recompute 9",
        Shell.loosen,
        fill={"WORKSPACE": "done"},
    ),
    Case(
        "if that code is your own, say so with --architecture X, as in `X`",
        "commands",
        "eval --model own",
        lambda shell: shell.ok("train --student tiny_bars:net --guides teacher --name own"),
    ),
    Case(
        "run `dgkd-cache X` without torchrun; several processes train and dump one model at a time, with X",
        "commands",
        "ls",
        lambda shell: shell.env.update(RANK="0", WORLD_SIZE="2", LOCAL_RANK="0"),
    ),
    Case(
        "read it with X, or start over with `dgkd-cache train --model NAME --fresh` X",
        "commands",
        TRAIN,
        newer_run,
        fill={"NAME": "teacher"},
    ),
    Case(
        "`dgkd-cache verify --full X` tells what is damaged; get it again, or export it again",
        "commands",
        "train --student plain2 --guides guide.h5",
        damaged_file,
        fill={"export it again": "`dgkd-cache export teacher again.h5`"},
        together=True,
        then="train --student plain2 --guides again.h5",
    ),
    Case(
        "copy the [views] settings of the guide's workspace, or train and dump the guide again under this plan",
        "commands",
        "train --student plain2 --guides teacher",
        lambda shell: shell.edit({"views.seed": 4}),
        fill={"train and dump the guide again": AGAIN},
        together=True,
        then="train --student plain2 --guides teacher",
    ),
    Case(
        "use the data set that the guide saw, or train and dump the guide again on this one",
        "commands",
        "train --student plain2 --guides teacher",
        lambda shell: shell.edit({"dataset.name": "tiny_bars:others"}),
        fill={"train and dump the guide again": AGAIN},
        together=True,
        then="train --student plain2 --guides teacher",
    ),
    Case(
        "`dgkd-cache export X X` makes one of it",
        "commands",
        lambda: GuideStore.open("guides/teacher.zarr").to_h5py(),
        then="info guides/teacher.h5",
    ),
    Case(
        "`dgkd-cache import X --to X` makes one of it",
        "commands",
        lambda: GuideStore.open("guide.h5").to_zarr(),
        lambda shell: shell.ok("export teacher guide.h5"),
        then="info guide.zarr",
    ),
    Case(
        "run `dgkd-cache compare`, or wait until a run of it is finished",
        "commands",
        "report",
        small_study,
        bare=True,
    ),
    Case(
        "check the path; `dgkd-cache compare` writes one",
        "commands",
        "report --results compare/results.json",
        small_study,
        bare=True,
    ),
    Case(
        "run `dgkd-cache compare` again: it writes the results of what is finished without training it again",
        "commands",
        "report --results compare/results.json",
        lambda shell: damaged_study(shell, "results.json"),
        bare=True,
    ),
    Case(
        "run `dgkd-cache compare` again: it writes the outline anew and keeps what is finished",
        "commands",
        "report",
        lambda shell: damaged_study(shell, "study.json"),
        bare=True,
    ),
]
