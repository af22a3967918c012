"""Ranks: the processes of one job, as torchrun starts them, and what they agree on beside their gradients.

What a job computes does not depend on their number: a batch is cut into consecutive shares, gradients and sums are
those of the whole batch. One process alone exchanges nothing, and torch.distributed is not even imported.
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

_LEAST = 2  # samples a rank: batch norm cannot train on one
_PATIENCE = timedelta(days=7)  # a rank that dies is noticed at once, by its connection; one that works is waited for


@dataclass(frozen=True, kw_only=True)
class Share:
    """A rank's part of a batch.

    `weight` times the mean loss over the part, averaged over the ranks, is the mean over the batch; `counted` is how
    many samples this rank adds to sums over the ranks.
    """

    part: slice
    weight: float
    counted: int


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Process `rank` of `world`, the `local_rank`-th on its machine; by default one alone.

    Every method that exchanges must be called by all ranks in the same order, within `joined`. RankLost where one of
    the others has ended.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Ranks:
        """The ranks that torchrun's RANK, WORLD_SIZE and LOCAL_RANK tell of; alone where they are not all set."""
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
        """True where there is one process only."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """True where this is the one that writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this rank where the user says `name`: of several, each has a GPU of its own."""
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
        """This rank's part of a batch: consecutive, as np.array_split cuts.

        A batch of fewer than two samples a rank is not cut: every rank takes all of it, and the first counts it.
        """
        if samples < _LEAST * self.world:
            return Share(part=slice(0, samples), weight=1.0, counted=samples if self.first else 0)
        each, more = divmod(samples, self.world)
        start = self.rank * each + min(self.rank, more)
        count = each + (self.rank < more)
        return Share(part=slice(start, start + count), weight=count * self.world / samples, counted=count)

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """The ranks connected for as long as the block lasts: gloo between processors, nccl between GPUs.

        Once in a process: torch's rendezvous takes no rank a second time.
        """
        if self.alone:
            yield
            return
        import torch
        from torch import distributed

        if distributed.is_initialized():
            yield  # within a group that the caller has made
            return
        # On one GPU for all of them (`--device cuda:0`) nccl refuses to work; gloo does.
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
            if not _of_connection(error):
                raise
            raise RankLost(
                "another rank has ended before the work was done",
                expected=f"all {self.world} ranks until the end",
                found=str(error).splitlines()[0][:200],
                do="see what that rank says; then run the same command again to go on",
            ) from error
        finally:
            # After a failure nccl may wait for ever for what the others will not send.
            if distributed.is_initialized() and (whole or not nccl):
                distributed.destroy_process_group()

    def _meet(self, backend: str) -> None:
        from torch import distributed

        try:
            distributed.init_process_group(backend, rank=self.rank, world_size=self.world, timeout=_PATIENCE)
        except ValueError as error:
            raise InvalidInput(
                "the environment does not say where the processes of this job meet",
                expected="MASTER_ADDR and MASTER_PORT as torchrun sets them",
                found=str(error),
                do="start it with torchrun, or unset RANK, WORLD_SIZE and LOCAL_RANK",
            ) from error

    def in_turn(self, load: Callable[[], object]) -> None:
        """Does `load` on each machine's first rank, then on the others: a data set is downloaded once."""
        for now in (True, False):
            if (self.local_rank == 0) is now:
                load()
            self.barrier()

    def barrier(self) -> None:
        """Until all ranks are here."""
        self.broadcast(0)

    def broadcast(self, number: int) -> int:
        """The first rank's number, for all."""
        if self.alone:
            return number
        import torch
        from torch import distributed

        said = torch.tensor([int(number) if self.first else 0])
        distributed.all_reduce(said)
        return int(said)

    def all_reduce_stop(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """`stop` of any rank, for all at the same call.

        The ranks are asked at one call and answer at the next, so nobody waits for the answer.
        """
        if self.alone:
            return stop
        import torch
        from torch import distributed

        pending: list[tuple[Tensor, distributed.Work]] = []

        def agreed() -> bool:
            answer = False
            if pending:
                asked, work = pending.pop()
                work.wait()
                answer = bool(asked)
            asked = torch.tensor([int(stop())])
            work = distributed.all_reduce(asked, op=distributed.ReduceOp.MAX, async_op=True)
            assert work is not None, "an asynchronous collective"
            pending.append((asked, work))
            return answer

        return agreed

    def all_gather(self, values: Tensor) -> list[Tensor]:
        """The tensors of all ranks, in their order, on the processor; they have one shape and dtype."""
        values = values.detach().cpu().contiguous()
        if self.alone:
            return [values]
        import torch
        from torch import distributed

        found = [torch.empty_like(values) for _ in range(self.world)]
        distributed.all_gather(found, values)
        return found

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Gives every rank the first one's values, bit for bit; all tensors are on one device."""
        mine = [tensor.detach() for tensor in tensors if tensor.numel()]
        if self.alone or not mine:
            return
        import torch
        from torch import distributed

        parts = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in mine]
        packed = torch.cat(parts)
        distributed.broadcast(packed, 0)
        for tensor, part in zip(mine, packed.split([len(part) for part in parts]), strict=True):
            tensor.copy_(part.clone().view(tensor.dtype).view(tensor.shape))


ALONE = Ranks()
"""One process, as without torchrun."""


def _of_connection(error: RuntimeError) -> bool:
    """torch has a class for some of these, gloo a plain RuntimeError for what autograd meets."""
    from torch import distributed

    if isinstance(error, distributed.DistError):
        return True
    return any(word in str(error) for word in ("gloo", "NCCL", "Connection closed by peer", "Connection reset"))
