"""No step asks the device for a number: on a GPU the host would wait there for all that was queued."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")


class Asked(TorchDispatchMode):
    """The operations whose result the host must know."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        given = args[1] if name.startswith("index") and isinstance(args[1], list | tuple) else ()
        masked = any(isinstance(one, torch.Tensor) and one.dtype == torch.bool for one in given)
        if masked or name.strip("_") in {word.strip("_") for word in WAITING}:
            self.waiting.append(name)
        return func(*args, **(kwargs or {}))


def test_what_waits_is_seen() -> None:
    with Asked() as asked:
        torch.ones(1).item()
        torch.ones(2)[torch.tensor([True, False])]
    assert len(asked.waiting) >= 2


def test_no_step_waits(bars, plan, dump, make_tiny, tmp_path) -> None:
    stores = [dump(tmp_path / f"{name}.zarr", make_tiny(seed), encoding="uint8") for seed, name in enumerate("ab")]
    views, random = ViewRenderer(plan, bars.train), RunRandom(0)
    recipe = TrainingConfig(epochs=2, batch_size=32, precision="float32", channels_last=False)
    with GuideBank(stores, views, temperature=2.0, keep_on_device=True) as bank:
        steps = Steps(
            make_tiny(3).train(),
            Preprocessing(Preprocess.build(mean=bars.mean, std=bars.std)),
            views=views,
            samples_N=np.arange(100),
            schedule=Schedule("draw", 3, random=random, samples=100),
            random=random,
            training=recipe,
            guided=Guided(guidance=bank, dropping=Dropping(), objective="paper", lambda_=0.5),
            device=torch.device("cpu"),
        )
        with Asked() as asked:
            for batch in steps.prefetch(0):
                steps.train_step(batch)
    assert batch.step == 7 and asked.waiting == []
