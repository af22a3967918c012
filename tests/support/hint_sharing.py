"""Hints of push and pull: what provokes each."""

from __future__ import annotations

import shutil

from dgkd_stores.sharing.folder import Folder
from support.shell import STORE, Case, Shell

FILE = "guides/teacher.h5"


def copied(shell: Shell) -> None:
    """The teacher's store as `rsync -a` copies it."""
    shutil.copytree(STORE, "copy.zarr")


def shared(shell: Shell) -> None:
    """The teacher's store lies in the place `shared`."""
    shell.ok("push teacher shared")


def shared_file(shell: Shell) -> None:
    """The teacher's store lies in the place `shared`, as an HDF5 file."""
    shell.ok(f"export teacher {FILE}")
    shell.ok(f"push {FILE} shared")


def unlisted(shell: Shell) -> None:
    """The place `shared` has both forms of the teacher's store, and like a web server it cannot list them."""
    shutil.copytree(STORE, "shared/teacher.zarr")
    shell.ok("export teacher shared/teacher.h5")
    shell.patch.setattr(Folder, "tops", lambda self: None)
    shell.patch.setattr(Folder, "names", lambda self, prefix: None)


SHARING = [
    Case(
        "copy the store with `rsync -a`, and then `dgkd-cache verify --full COPY` proves the copy",
        "commands",
        "push teacher sftp://host/place",
        copied,
        fill={"COPY": "copy.zarr"},
        then="info copy.zarr",
    ),
    Case(
        "leave the name out, or push X, which `dgkd-cache export X X` makes",
        "commands",
        "push teacher shared/other.h5",
        fill={"leave the name out": "`dgkd-cache push teacher shared`"},
        together=True,
        then=f"push {FILE} elsewhere/other.h5",
    ),
    Case(
        "leave the name out, or push X, which `dgkd-cache export X X` makes",
        "commands",
        "push copy.h5 shared/other.zarr",
        lambda shell: shell.ok("export teacher copy.h5"),
        fill={"leave the name out": "`dgkd-cache push copy.h5 shared`"},
        together=True,
        then="push copy.zarr elsewhere/other.zarr",
    ),
    Case(
        "write X for the first of them",
        "words",
        "pull shared got",
        lambda shell: [shared(shell), shutil.copytree("guides/ta1.zarr", "shared/ta1.zarr")],
        wrong="shared",
    ),
    Case(
        "write X or X, as whoever published it calls it",
        "words",
        "pull shared got",
        unlisted,
        wrong="shared",
        fill={"NAME": "teacher"},
    ),
    Case(
        "pull it as X, and then `dgkd-cache export X X`",
        "commands",
        "pull shared got/own.h5",
        shared,
        fill={"pull it as got/own.zarr": "`dgkd-cache pull shared got/own.zarr`"},
        together=True,
        then="info got/own.h5",
    ),
    Case(
        "pull it as X, and then `dgkd-cache export X X`",
        "commands",
        "pull shared got/own.zarr",
        shared_file,
        fill={"pull it as got/own.h5": "`dgkd-cache pull shared got/own.h5`"},
        together=True,
        then="info got/own.zarr",
    ),
    Case(
        "pull it whole, as X, and then `dgkd-cache subset X --views X -o X` takes the views",
        "commands",
        "pull shared got --views 1:2",
        shared_file,
        fill={"pull it whole, as got/teacher.h5": "`dgkd-cache pull shared got/teacher.h5`"},
        together=True,
        then="info got/teacher-1-2.h5",
    ),
]
