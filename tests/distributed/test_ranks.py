"""Ranks without other ranks: the environment is read, a batch is cut, and one process exchanges nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dgkd_cache.distributed.ddp import convert_batch_norm, wrap_ddp
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cli.main import SHARED, main


def test_the_environment_of_torchrun() -> None:
    assert Ranks.of({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == Ranks(rank=5, world=8, local_rank=1)
    assert Ranks.of({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}).alone
    for other in ({}, {"WORLD_SIZE": "8"}, {"RANK": "3", "WORLD_SIZE": "8"}):
        assert Ranks.of(other) == ALONE


@pytest.mark.parametrize(
    "wrong", [("8", "8", "0"), ("x", "2", "0"), ("0", "2", "-1"), ("0", "0", "0"), ("0", "2", "2")]
)
def test_an_environment_that_means_nothing(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInput, match="RANK, WORLD_SIZE and LOCAL_RANK as torchrun sets them.*found RANK="):
        Ranks.of(dict(zip(("RANK", "WORLD_SIZE", "LOCAL_RANK"), wrong, strict=True)))


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_shares_are_the_batch_and_weigh_as_much_as_it(world: int) -> None:
    batch = np.arange(100, 200)
    for samples in range(1, 40):
        shares = [Ranks(rank=rank, world=world).share(samples) for rank in range(world)]
        assert sum(share.counted for share in shares) == samples
        parts = [batch[:samples][share.part] for share in shares]
        if samples < 2 * world:
            assert all(part.tolist() == batch[:samples].tolist() for part in parts)
            assert [share.weight for share in shares] == [1.0] * world
            continue
        for part, cut in zip(parts, np.array_split(batch[:samples], world), strict=True):
            assert part.tolist() == cut.tolist() and len(part) >= 2
        # The mean over ranks of weighted means is the mean: tried on values, not on the formula.
        values = np.sqrt(batch)
        means = [share.weight * values[:samples][share.part].mean() for share in shares]
        assert np.mean(means) == pytest.approx(values[:samples].mean(), rel=1e-12)


def test_each_rank_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Ranks(rank=5, world=8, local_rank=1)
    assert ALONE.device("auto") == "auto"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert second.device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [second.device(name) for name in ("auto", "cuda", "cpu", "cuda:3")] == ["cuda:1", "cuda:1", "cpu", "cuda:3"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InvalidInput, match="no GPU for rank 5: expected at most 1 ranks.*--nproc-per-node 1"):
        second.device("auto")


def test_one_process_exchanges_nothing() -> None:
    model, values, cpu = torch.nn.Linear(2, 2), torch.ones(3), torch.device("cpu")

    def stop() -> bool:
        return True

    with ALONE.join(cpu):
        assert not torch.distributed.is_initialized()
        ALONE.barrier()
        assert ALONE.broadcast(7) == 7 and ALONE.all_reduce_stop(stop) is stop
        assert ALONE.all_gather(values)[0].equal(values)
        ALONE.broadcast_tensors(model.parameters())
        assert wrap_ddp(convert_batch_norm(model, cpu, ALONE), cpu, ALONE) is model


@pytest.mark.parametrize("verb", ["run", "repair", "eval", "ls"])
def test_verbs_for_one_process(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verb not in SHARED
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, [verb])
    assert (result.exit_code, result.stdout) == (2, "")
    allowed = "expected one of train, prune, dump under torchrun"
    assert result.stderr.startswith(f"Error (rank 1): `{verb}` is work for one process: {allowed}")
    assert f"run `dgkd-cache {verb}` without torchrun" in result.stderr
