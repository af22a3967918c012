"""GuideLoader: iterates over the steps of a run, for any training loop; `GuideBank.loader` makes it.

Its batches are those of our own training with the same settings, step by step: both take them from `StepInputs`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_stores.arguments import require_integer, require_kind

__all__ = ["GuideLoader"]


class GuideLoader:
    """Yields a `GuidedBatch` for each step, in the order of the run.

    With `epochs`, an iteration goes from the first step to the end of the run. Without, it is one epoch, and the next
    iteration is the next epoch, as training frameworks expect. An iteration that is abandoned (`break`, an exception)
    before its last batch ends its thread and is started over by the next one.
    """

    def __init__(self, inputs: StepInputs, *, epochs: int | None, first_step: int) -> None:
        self._inputs, self._epochs = inputs, epochs
        self._first = self._next = first_step

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch; the last one may have fewer samples."""
        return self._inputs.steps_per_epoch

    def __len__(self) -> int:
        """Returns the number of batches of the next iteration."""
        return self._last - self._first

    def __iter__(self) -> Generator[GuidedBatch]:
        """Yields the batches; reads ahead on a thread. Raises as `GuideBank.gather` at the step of the error."""
        last = self._last
        self._next = self._first
        with closing(self._inputs.prefetch(self._first, last)) as fed:
            for batch in fed:
                self._next = batch.step + 1
                if self._epochs is None and self._next == last:
                    self._first = last  # here, not after the loop: Lightning counts batches and never asks for the end
                yield batch

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

    def state_dict(self) -> dict[str, int]:
        """Returns the position after the last batch that was given out, for `load_state_dict`: integers by name."""
        return {"step": self._next, **self._identity}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on from the position of `state_dict`, with the next iteration.

        Raises InvalidInput for another mapping, Mismatch for the state of a loader of another seed, batch size or
        number of samples.
        """
        require_kind("GuideLoader.load_state_dict", "state", state, Mapping, expected="what state_dict returned")
        last = 2**62 if self._epochs is None else self._last
        for name, mine in self._identity.items():
            require_integer("GuideLoader.load_state_dict", name, state.get(name), low=0)
            if state[name] != mine:
                raise Mismatch(
                    "that is the state of another run",
                    expected=f"{name} {mine}",
                    found=f"{name} {state[name]}",
                    do="make the loader as it was made for that run",
                )
        require_integer("GuideLoader.load_state_dict", "step", state.get("step"), low=0, high=last)
        self._first = self._next = int(state["step"])

    @property
    def _last(self) -> int:
        """The step after the next iteration."""
        per_epoch = self.steps_per_epoch
        return (self._first // per_epoch + 1 if self._epochs is None else self._epochs) * per_epoch

    @property
    def _identity(self) -> dict[str, int]:
        inputs = self._inputs
        return {"seed": inputs.random.seed, "batch_size": inputs.batch_size, "samples": len(inputs.samples_N)}
