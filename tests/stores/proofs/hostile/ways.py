"""Every way into each store, a process for each store under a limit on its memory; a script.

`python ways.py GOOD` warms up on a good store, then reads a store a line as JSON from stdin ({"path", "base",
"reserved_mib"}) and answers each with a line on stdout: for each way the error, its message and what was printed; how
far anonymous memory grew, and what was unpickled. Its environment must have the `HEAP` of `support/memory.py`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[3]))

import numpy as np
from numcodecs import blosc, zstd
from stores.proofs.hostile.corpus import small_store
from stores.support.small_store import SmallStore
from support.memory import anonymous_kib, give_back

from dgkd_stores import DgkdError, GuideStore, GuideStoreWriter, clean, convert, read_header, verify

SECONDS = 60
"""A store that takes longer than this over all ways is taken for one that hangs."""

unpickled: list[str] = []


def listen(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class":
        unpickled.append(".".join(map(str, arguments)))


def opening(path: Path, base: str) -> None:
    GuideStore.open(path).close()


def opening_unfinished(path: Path, base: str) -> None:
    GuideStore.open(path, allow_incomplete=True).close()


def reading_the_header(path: Path, base: str) -> None:
    read_header(path)


def reading(path: Path, base: str) -> None:
    with GuideStore.open(path, allow_incomplete=base == "unfinished") as store:
        samples_N = np.arange(store.header.dataset.samples)
        for view in store.views:
            store.gather(np.full(len(samples_N), view), samples_N)


def writing(path: Path, base: str) -> None:
    if base.startswith("hdf5"):
        return  # Only finished stores have that form.
    small = small_store(SmallStore, base)
    with GuideStoreWriter(path, small.header, small.identity) as writer:
        list(writer.missing())


def converting(path: Path, base: str) -> None:
    target = path.with_name("converted.zarr")
    try:
        convert(path, target)
        shutil.rmtree(target)
    finally:
        assert not list(path.parent.glob("converted*")), "something is left of what was refused"


def verifying(*, full: bool) -> Callable[[Path, str], None]:
    def run(path: Path, base: str) -> None:
        found = verify(path, full=full)
        if found.exit_code:
            refused = DgkdError("; ".join(f"{clean(one.file)} {one.kind}" for one in found.damage)[:1000])
            refused.exit_code = found.exit_code
            raise refused

    return run


WAYS: dict[str, Callable[[Path, str], None]] = {
    "open": opening,
    "open unfinished": opening_unfinished,
    "header": reading_the_header,
    "read": reading,
    "write": writing,
    "convert": converting,
    "verify": verifying(full=False),
    "verify --full": verifying(full=True),
}
if find_spec("click") and find_spec("dgkd_cli"):
    from click.testing import CliRunner

    from dgkd_cli.main import main

    def command(*arguments: str) -> Callable[[Path, str], None]:
        def run(path: Path, base: str) -> None:
            result = CliRunner().invoke(main, [*arguments, str(path)])
            print(result.output)
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            if result.exit_code:
                refused = DgkdError(result.stderr.strip().removeprefix("Error: "))
                refused.exit_code = result.exit_code
                raise refused

        return run

    WAYS |= {"info": command("info"), "verify --full": command("verify", "--full")}


def attempt(way: Callable[[Path, str], None], path: Path, base: str) -> dict[str, Any]:
    """One way into one store: its error, and what was printed."""
    output = path.with_name("output")
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    found: dict[str, Any] = {"error": None, "code": 0, "message": ""}
    try:
        way(path, base)
    except DgkdError as error:
        found = {"error": type(error).__name__, "code": error.exit_code, "message": str(error)}
    except BaseException as error:
        found = {"error": type(error).__name__, "code": -1, "message": traceback.format_exc()}
    sys.stdout.flush()
    return found | {"output": output.read_bytes().decode(errors="replace")}


def every_way(path: Path, base: str, reserved_mib: int) -> dict[str, Any]:
    """All ways into one store, in this process, which is for nothing else."""
    give_back()
    before = anonymous_kib()
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + reserved_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.alarm(SECONDS)
    ways = {name: attempt(way, path, base) for name, way in WAYS.items()}
    return {"died": 0, "ways": ways, "grown_kib": anonymous_kib() - before, "unpickled": unpickled}


def forked(path: Path, base: str, reserved_mib: int) -> dict[str, Any]:
    """The same in a child; one that dies is found to have died."""
    result = path.with_name("result")
    if not (child := os.fork()):
        result.write_text(json.dumps(every_way(path, base, reserved_mib)))
        os._exit(0)
    died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"died": died} if died else json.loads(result.read_text())


def run(good: Path) -> None:
    sys.addaudithook(listen)
    os.fsync = lambda handle: None  # no test here cuts the power
    # What is imported and compiled once for all is no memory that a store takes.
    blosc.decompress(blosc.compress(bytes(100), b"zstd", 5))
    zstd.decompress(zstd.compress(bytes(100)))
    with contextlib.redirect_stdout(None):
        for way in WAYS.values():
            way(good, "raw")
    gc.collect()
    gc.freeze()  # or each child copies what its collector touches
    for line in sys.stdin:
        store = json.loads(line)
        path = Path(store["path"])
        found = forked(path, store["base"], store["reserved_mib"])
        shutil.rmtree(path.parent, ignore_errors=True)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
