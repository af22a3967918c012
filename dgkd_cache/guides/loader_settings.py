"""Makes the loader of a bank from the arguments of `GuideBank.loader`, each of which is checked."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput, Mismatch, unknown_name
from dgkd_cache.guides.loader import GuideLoader
from dgkd_cache.guides.protocol import Guidance
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_stores.arguments import integers, refusal, require_integer, require_kind

__all__ = ["make_loader"]

_LOGGER = logging.getLogger("dgkd_cache.guides")
_CALL = "GuideBank.loader"
_MOST = 2**40


def make_loader(
    guidance: Guidance,
    renderer: ViewRenderer,
    views: range,
    device: torch.device,
    *,
    batch_size: int,
    epochs: int | None,
    seed: int,
    dropping: Dropping,
    schedule: str | None,
    order: str,
    samples: npt.ArrayLike | None,
    workers: int,
    first_step: int,
    rank: int,
    world_size: int,
) -> GuideLoader:
    """Returns the loader; see `GuideBank.loader`."""
    require_integer(_CALL, "batch_size", batch_size, low=1, high=_MOST)
    if epochs is not None:
        require_integer(_CALL, "epochs", epochs, low=1, high=_MOST)
    require_integer(_CALL, "seed", seed, low=0)
    require_kind(_CALL, "dropping", dropping, Dropping, expected="a Dropping", do="write dropping=Dropping(keep=0.75)")
    kind = _schedule_kind(renderer, views, schedule)
    if not isinstance(order, str) or order not in ("shuffled", "blocks"):
        raise unknown_name("order", str(order)[:80], ("shuffled", "blocks"))
    samples_N = _sample_ids(renderer, samples)
    require_integer(_CALL, "workers", workers, low=0, high=1024)
    require_integer(_CALL, "world_size", world_size, low=1, high=_MOST)
    require_integer(_CALL, "rank", rank, low=0, high=int(world_size) - 1)
    steps = math.ceil(len(samples_N) / int(batch_size)) * (_MOST if epochs is None else int(epochs))
    require_integer(_CALL, "first_step", first_step, low=0, high=steps)
    random = RunRandom(int(seed))
    inputs = StepInputs(
        views=renderer,
        samples_N=samples_N,
        schedule=Schedule(kind, views, random=random, samples=len(renderer.images)),
        random=random,
        guidance=guidance,
        dropping=dropping,
        batch_size=int(batch_size),
        order=order,
        workers=int(workers),
        device=device,
        ranks=Ranks(rank=int(rank), world=int(world_size)),
    )
    inputs.keep(0)  # refuses a name to keep always that no guide has
    _tell_of_dropping(dropping, guidance.names)
    return GuideLoader(inputs, epochs=None if epochs is None else int(epochs), first_step=int(first_step))


def _tell_of_dropping(dropping: Dropping, names: Sequence[str]) -> None:
    """Warns in the log if the only guide is dropped in some batches."""
    if len(names) == 1 and (dropped := round(1 - dropping.kept_share(names)[0], 6)):
        _LOGGER.warning(
            "%s, the only guide, is dropped in %.3g %% of the batches; plain knowledge distillation is trained with "
            'dropping=Dropping(kind="none")',
            names[0],
            100 * dropped,
        )


def _schedule_kind(renderer: ViewRenderer, views: range, schedule: str | None) -> str:
    """Returns the kind of schedule: unless it is given, `draw` for enumerated views and `cycle` for others."""
    plan = renderer.plan
    enumerated = plan.scheme == "enumerated"
    kind = ("draw" if enumerated else "cycle") if schedule is None else schedule
    if not isinstance(kind, str) or kind not in ("cycle", "draw"):
        raise unknown_name("view schedule", str(kind)[:80], ("cycle", "draw"))
    if enumerated and kind != "draw":
        raise InvalidInput(
            "enumerated views need the schedule draw",
            expected='schedule="draw"',
            found=f'schedule="{kind}"',
            do="leave schedule out",
        )
    if enumerated and views != range(plan.outcomes or 0):
        raise Mismatch(
            "enumerated views are drawn from all outcomes",
            expected=f"the views 0 to {(plan.outcomes or 0) - 1} of every guide",
            found=f"views {views.start} to {views.stop - 1}",
            do="make the bank without views=, and dump the missing views of each guide",
        )
    return kind


def _sample_ids(renderer: ViewRenderer, samples: npt.ArrayLike | None) -> npt.NDArray[np.int64]:
    """Returns the samples to train on: all, or the given ones."""
    images = renderer.images
    if samples is None:
        return images.samples_N
    expected, do = "at least one sample's number, one-dimensional integers", "leave samples out to train on all"
    ids_N = integers(_CALL, "samples", samples, expected=expected, do=do)
    if not len(ids_N):
        raise refusal(_CALL, "samples", samples, expected=expected, do=do)
    images.require_samples(ids_N)
    return ids_N
