"""GuideLoader: iterates over the steps of a run, for any training loop; `GuideBank.loader` makes it.

Its batches are those of our own training with the same settings, step by step: both take them from `StepInputs`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import NoReturn

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_stores.arguments import describe_value, require_integer, require_kind

__all__ = ["GuideLoader"]

_LOAD = "GuideLoader.load_state_dict"


class GuideLoader:
    """Yields a `GuidedBatch` for each step, in the order of the run.

    With `epochs`, an iteration goes from the first step to the end of the run. Without, it is one epoch, and the next
    iteration is the next epoch, as training frameworks expect. An iteration that is abandoned (`break`, an exception)
    before its last batch ends its thread and is started over by the next one. The step that a run is resumed at counts
    until its iteration is complete. A step raises what `GuideBank.gather` raises.
    """

    def __init__(self, inputs: StepInputs, *, epochs: int | None, first_step: int) -> None:
        self._inputs, self._epochs = inputs, epochs
        self._first = self._next = first_step

    def __repr__(self) -> str:
        inputs, views = self._inputs, self._inputs.schedule.view_range
        epochs = "epochs" if self._epochs is None else f"{self._epochs} epochs"
        guides = ", ".join(inputs.guidance.names) if inputs.guidance else "no guides"
        return (
            f"<GuideLoader of {guides}: {epochs} of {self.steps_per_epoch} steps, batches of "
            f"{inputs.batch_size} of {len(inputs.samples_N)} samples, views {views.start} to {views.stop - 1}>"
        )

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch; the last one may have fewer samples."""
        return self._inputs.steps_per_epoch

    def __len__(self) -> int:
        """Returns the number of batches of the next iteration."""
        return self._last - self._first

    def __iter__(self) -> Generator[GuidedBatch]:
        """Yields the batches; reads ahead on a thread. Raises as `GuideBank.gather` at the step of the error."""
        first, last = self._first, self._last
        after = last if self._epochs is None else 0
        self._next = first
        if first == last:  # a run that was resumed at its end
            self._first = after
        with closing(self._inputs.prefetch(first, last)) as fed:
            for batch in fed:
                self._next = batch.step + 1
                if self._next == last:
                    self._first = after  # here, not after the loop: Lightning counts batches and never asks for the end
                yield batch

    def __getitem__(self, index: object) -> NoReturn:
        """Raises InvalidInput: torch's DataLoader would ask for single items, and a batch has the order of the run."""
        raise InvalidInput(
            "a GuideLoader has no items to index: it is the loader",
            expected="a loop over it",
            found=f"the index {describe_value(index)}",
            do="iterate over it directly, without a torch.utils.data.DataLoader around it",
        )

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration; within that epoch already, as after a resume, nothing changes.

        Raises InvalidInput for a loader with `epochs`, which goes through the whole run.
        """
        require_integer("GuideLoader.set_epoch", "epoch", epoch, low=0, high=2**40)
        if self._epochs is not None:
            raise InvalidInput(
                "this loader goes through all epochs of the run",
                expected="a loader that stops after each epoch",
                found=f"epochs={self._epochs}",
                do="make the loader without epochs=",
            )
        if self._first // self.steps_per_epoch != epoch:
            self._first = self._next = int(epoch) * self.steps_per_epoch

    def state_dict(self) -> dict[str, int | str]:
        """Returns the position after the last batch that was given out, for `load_state_dict`.

        It has the step, and what the batches of a step depend on: integers and texts by name.
        """
        return {"step": self._next, **self._identity}

    def load_state_dict(self, state: Mapping[str, int | str]) -> None:
        """Goes on from the position of `state_dict`, with the next iteration; later ones are as without it.

        Another `rank` or `world_size` may go on: the whole batch of each step, its views and its guides are the same.
        Raises InvalidInput for another mapping, Mismatch for the state of a loader with other batches: of another seed,
        batch size, order, schedule or dropping, or of other samples, views, guides or another temperature.
        """
        require_kind(_LOAD, "state", state, Mapping, expected="what state_dict returned")
        mine = self._identity
        for name, value in mine.items():
            require_kind(_LOAD, name, state.get(name), type(value), expected="the value in what state_dict returned")
        if differing := [name for name, value in mine.items() if state[name] != value]:
            raise Mismatch(
                "that is the state of another run",
                expected=", ".join(f"{name} {mine[name]}" for name in differing),
                found=", ".join(f"{name} {state[name]}" for name in differing),
                do="make the loader as it was made for that run",
            )
        last = 2**62 if self._epochs is None else self._last
        require_integer(_LOAD, "step", state.get("step"), low=0, high=last)
        self._first = self._next = int(state["step"])

    @property
    def _last(self) -> int:
        """The step after the next iteration."""
        per_epoch = self.steps_per_epoch
        return (self._first // per_epoch + 1 if self._epochs is None else self._epochs) * per_epoch

    @property
    def _identity(self) -> dict[str, int | str]:
        """Everything that the batch of a step depends on, by name; long values as a digest."""
        inputs = self._inputs
        views = inputs.schedule.view_range
        samples = hashlib.sha256(inputs.samples_N.astype("<i8").tobytes()).hexdigest()
        guidance = inputs.guidance
        guides = guidance.identities.items() if guidance else ()
        return {
            "seed": inputs.random.seed,
            "batch_size": inputs.batch_size,
            "samples": f"{len(inputs.samples_N)} of SHA-256 {samples[:16]}",
            "order": inputs.order,
            "schedule": inputs.schedule.kind,
            "views": f"{views.start} to {views.stop - 1}",
            "dropping": str(inputs.dropping),
            "guides": ", ".join(f"{name} {identity[:16]}" for name, identity in guides),
            "temperature": str(guidance.temperature if guidance else 1.0),
        }
