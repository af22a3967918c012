"""Ranks: the processes of one job, as torchrun starts them, and the collectives that they use besides DDP.

The result of a job does not depend on the number of ranks: a batch is divided into consecutive shares; gradients and
sums are those of the whole batch. A single process exchanges nothing and does not import torch.distributed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dgkd_cache.errors import Interrupted, InvalidInput, RankLost

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ALONE", "Ranks", "Share"]

_LEAST = 2  # samples per rank: batch norm cannot train on one
_PATIENCE = timedelta(days=7)  # for a slow rank; one that dies is noticed at once by its connection


@dataclass(frozen=True, kw_only=True)
class Share:
    """A rank's part of a batch.

    `weight` times the mean loss over the part, averaged over the ranks, is the mean over the batch. `counted` is the
    number of samples that this rank adds to sums over the ranks.
    """

    part: slice
    weight: float
    counted: int


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Process `rank` of `world`, number `local_rank` on its machine; by default a single process.

    All ranks must call the collective methods in the same order, within `join`. They raise RankLost if another rank
    has ended.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Ranks:
        """Returns the ranks of torchrun's RANK, WORLD_SIZE and LOCAL_RANK; a single process unless all are set."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        values = [environment.get(name, "") for name in names]
        if not all(values):
            return cls()
        numbers = [int(value) if value.isdecimal() and len(value) < 10 else -1 for value in values]
        rank, world, local_rank = numbers
        if not (0 <= rank < world and 0 <= local_rank < world):
            raise InvalidInput(
                "the environment does not say which process of a job this is",
                expected="RANK, WORLD_SIZE and LOCAL_RANK as torchrun sets them",
                found=", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)),
                do="start it with torchrun, or unset them",
            )
        return cls(rank=rank, world=world, local_rank=local_rank)

    @property
    def alone(self) -> bool:
        """True if there is only one process."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """True for the rank that writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Returns the name of this rank's device for the user's `name`: each of several ranks gets its own GPU."""
        if self.alone or name not in ("auto", "cuda"):
            return name
        import torch

        count = torch.cuda.device_count()
        if not count:
            return "cpu" if name == "auto" else name
        if self.local_rank >= count:
            raise InvalidInput(
                f"there is no GPU for rank {self.rank}",
                expected=f"at most {count} ranks on this machine",
                found=f"local rank {self.local_rank}",
                do=f"start torchrun with --nproc-per-node {count}",
            )
        return f"cuda:{self.local_rank}"

    def share(self, samples: int) -> Share:
        """Returns this rank's part of a batch, divided as by np.array_split.

        A batch of fewer than two samples per rank is not divided: every rank takes all of it, the first counts it.
        """
        if samples < _LEAST * self.world:
            return Share(part=slice(0, samples), weight=1.0, counted=samples if self.first else 0)
        each, more = divmod(samples, self.world)
        start = self.rank * each + min(self.rank, more)
        count = each + (self.rank < more)
        return Share(part=slice(start, start + count), weight=count * self.world / samples, counted=count)

    @contextmanager
    def join(self, device: torch.device) -> Iterator[None]:
        """Connects the ranks for the `with` block: gloo between CPUs, nccl between GPUs.

        Possible once in a process: torch's rendezvous accepts no rank twice.
        """
        if self.alone:
            yield
            return
        import torch.distributed

        if torch.distributed.is_initialized():
            yield  # the caller has made a process group
            return
        # nccl refuses to work with one GPU for all ranks (`--device cuda:0`); gloo works.
        nccl = device.type == "cuda" and device.index == self.local_rank
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if nccl else "gloo"
        whole = False
        try:
            self._meet(backend)
            yield
            whole = True
        except Interrupted:
            whole = True
            raise
        except RuntimeError as error:
            if not _is_of_connection(error):
                raise
            raise RankLost(
                "another rank has ended before the work was done",
                expected=f"all {self.world} ranks until the end",
                found=str(error).splitlines()[0][:200],
                do="see what that rank says; then run the same command again to go on",
            ) from error
        finally:
            # After a failure nccl may wait for ever for data that the others will not send.
            if torch.distributed.is_initialized() and (whole or not nccl):
                torch.distributed.destroy_process_group()

    def _meet(self, backend: str) -> None:
        import torch.distributed

        try:
            torch.distributed.init_process_group(backend, rank=self.rank, world_size=self.world, timeout=_PATIENCE)
        except ValueError as error:
            raise InvalidInput(
                "the environment does not say where the processes of this job meet",
                expected="MASTER_ADDR and MASTER_PORT as torchrun sets them",
                found=str(error),
                do="start it with torchrun, or unset RANK, WORLD_SIZE and LOCAL_RANK",
            ) from error

    def in_turn(self, load: Callable[[], object]) -> None:
        """Calls `load` on each machine's first rank, then on the others, so that a data set is downloaded once."""
        for now in (True, False):
            if (self.local_rank == 0) is now:
                load()
            self.barrier()

    def barrier(self) -> None:
        """Waits until all ranks have called it."""
        self.broadcast(0)

    def broadcast(self, number: int) -> int:
        """Returns the first rank's `number` on all ranks."""
        if self.alone:
            return number
        import torch.distributed

        said = torch.tensor([int(number) if self.first else 0])
        torch.distributed.all_reduce(said)
        return int(said)

    def all_reduce_stop(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Returns a function that becomes true on all ranks at the same call once `stop` is true on any of them.

        The reduction starts at one call and is read at the next, so no rank waits for it.
        """
        if self.alone:
            return stop
        import torch.distributed

        pending: list[tuple[Tensor, torch.distributed.Work]] = []

        def agreed() -> bool:
            answer = False
            if pending:
                asked, work = pending.pop()
                work.wait()
                answer = bool(asked)
            asked = torch.tensor([int(stop())])
            work = torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX, async_op=True)
            assert work is not None, "an asynchronous collective"
            pending.append((asked, work))
            return answer

        return agreed

    def all_gather(self, values: Tensor) -> list[Tensor]:
        """Returns the tensors of all ranks in rank order, on the CPU; all have the same shape and dtype."""
        values = values.detach().cpu().contiguous()
        if self.alone:
            return [values]
        import torch.distributed

        found = [torch.empty_like(values) for _ in range(self.world)]
        torch.distributed.all_gather(found, values)
        return found

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Copies the first rank's values to every rank, bit for bit; all tensors are on one device."""
        mine = [tensor.detach() for tensor in tensors if tensor.numel()]
        if self.alone or not mine:
            return
        import torch.distributed

        parts = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in mine]
        packed = torch.cat(parts)
        torch.distributed.broadcast(packed, 0)
        for tensor, part in zip(mine, packed.split([len(part) for part in parts]), strict=True):
            tensor.copy_(part.clone().view(tensor.dtype).view(tensor.shape))


ALONE = Ranks()
"""A single process, as without torchrun."""


def _is_of_connection(error: RuntimeError) -> bool:
    """Returns True for a lost connection: torch has a class for some, gloo raises RuntimeError inside autograd."""
    import torch.distributed

    if isinstance(error, torch.distributed.DistError):
        return True
    return any(word in str(error) for word in ("gloo", "NCCL", "Connection closed by peer", "Connection reset"))
