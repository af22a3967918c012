"""push and pull over a real S3 server on loopback, beside plain obstore with the same files, threads and server.

Plain obstore sends or gets each file once and proves nothing. push proves the rows first and asks for SHA-256 checksums
and create-only writes; pull proves every row and makes the files durable. The server runs on cores of its own, as if it
were another machine, and then shares all cores with its clients. What a round has sent is removed after its time.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.harness import Timed, arguments, at_least, finish, ratio, rounds, scratch, seconds
from benchmarks.object_server import ObjectServer, object_server
from benchmarks.placement import Placement, placements, run_on
from benchmarks.synthetic import cifar_like, random_store, views_of
from dgkd_stores import pull, push

JOBS = 4


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 7, "views": 40, "samples": 50_000, "classes": 100}
    quick = {"rounds": 2, "views": 2, "samples": 2_000}
    options = arguments(__doc__, defaults, quick, given)
    views = views_of(cifar_like(options.samples, options.classes))
    cores = os.sched_getaffinity(0)
    places = placements(cores)
    with scratch(options) as folder, object_server(folder / "server") as server:
        random_store(folder / "guide.zarr", views, count=options.views)
        transfers = _Transfers(server, folder / "guide.zarr", folder / "got")
        try:
            sides = {"push": transfers.push, "obstore put": transfers.put}
            sent = rounds(_placed(places, server, sides), options.rounds)
            transfers.publish()
            sides = {"pull": transfers.pull, "obstore get": transfers.get}
            got = rounds(_placed(places, server, sides), options.rounds)
        finally:
            run_on(os.getpid(), cores)
    rows = [
        ratio(
            f"{verb}, {transfers.described}, {place.name}: plain obstore / {verb}",
            {plain: times[f"{plain}, {place.name}"], verb: times[f"{verb}, {place.name}"]},
            over=plain,
            under=verb,
            floor_is="plain obstore, which proves nothing",
            bar=at_least(0.7),
        )
        for verb, plain, times in (("push", "obstore put", sent), ("pull", "obstore get", got))
        for place in places
    ]
    notes = [f"{place}." for place in places]
    if len(places) == 1:
        notes.append("With one core the server has none of its own.")
    finish("transfer", "push and pull over S3 on loopback", rows, options, notes)


def _placed(
    places: Sequence[Placement], server: ObjectServer, sides: Mapping[str, Callable[[], float]]
) -> dict[str, Timed]:
    """Each side in each placement, which it enters before its time begins."""

    def placed(place: Placement, side: Callable[[], float]) -> Timed:
        def timed(i: int) -> float:
            place.enter(server.pid)
            return side()

        return timed

    return {f"{name}, {place.name}": placed(place, side) for place in places for name, side in sides.items()}


class _Transfers:
    """A store sent to and got from a server, by us and by plain obstore; each method returns the wall seconds of one.

    Processor time would tell nothing: that of the server lies in another process.
    """

    def __init__(self, server: ObjectServer, store: Path, target: Path) -> None:
        self._server, self._store, self._target = server, store, target
        self._files = [path for path in sorted(store.rglob("*")) if path.is_file()]
        self._buckets = (f"sent-{number}" for number in itertools.count())
        nbytes = sum(path.stat().st_size for path in self._files)
        self.described = f"{len(self._files)} files, {nbytes / 1e6:,.0f} MB, {JOBS} at a time"

    def push(self) -> float:
        return self._sent(lambda name, _: push(self._store, f"s3://{name}/guide", jobs=JOBS))

    def put(self) -> float:
        return self._sent(lambda _, bucket: self._put_all(bucket, "guide"))

    def publish(self) -> None:
        """Sends what `pull` and `get` take."""
        self._bucket = self._server.bucket("lab")
        push(self._store, "s3://lab/source", jobs=JOBS)
        self._put_all(self._bucket, "plain")

    def pull(self) -> float:
        return self._got(lambda: pull("s3://lab/source", self._target, jobs=JOBS))

    def get(self) -> float:
        return self._got(lambda: self._get_all(self._bucket, "plain"))

    def _sent(self, work: Callable[[str, Any], object]) -> float:
        """The seconds of sending into a bucket that is there, with its volumes, and is removed afterwards."""
        name = next(self._buckets)
        bucket = self._server.bucket(name)
        taken = seconds(lambda: work(name, bucket))
        self._server.remove(name)
        return float(taken)

    def _got(self, work: Callable[[], object]) -> float:
        taken = seconds(work)
        shutil.rmtree(self._target)
        return float(taken)

    def _put_all(self, bucket: Any, prefix: str) -> None:
        def put(path: Path) -> None:
            bucket.put(f"{prefix}/{path.relative_to(self._store)}", path, use_multipart=False)

        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(put, self._files))

    def _get_all(self, bucket: Any, prefix: str) -> None:
        def get(path: Path) -> None:
            target = self._target / path.relative_to(self._store)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for piece in bucket.get(f"{prefix}/{path.relative_to(self._store)}").stream():
                    file.write(piece)

        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(get, self._files))


if __name__ == "__main__":
    main()
