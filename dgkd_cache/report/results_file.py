"""The results of a study as a report reads them: validated once, so that a bad file is an error and no traceback.

What later versions add is ignored, and what older records lack has a default. Loads no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dgkd_cache.errors import Damaged, InvalidInput
from dgkd_cache.study.files import read_json

__all__ = [
    "Comparison",
    "Pruning",
    "Results",
    "Run",
    "Summary",
    "Variant",
    "as_results",
    "read_results",
]

_CUT = 51
"""The letters of a run's name that the name of its store has at least; see `dgkd_cache.study.plan`."""

Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Count = Annotated[int, Field(ge=0, le=2**63)]
Cost = Annotated[int, Field(ge=-(2**63), le=2**63)]
"""A count that is negative where live guides would have cost less."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Summary(_Part):
    """The results of a variant: n runs, their mean and sample standard deviation."""

    n: Count
    mean: Number
    deviation: Number | None

    @property
    def ends(self) -> tuple[float, float]:
        """The mean - and + a standard deviation; of a single run, both are its result."""
        return self.mean - (self.deviation or 0), self.mean + (self.deviation or 0)


class Published(_Part):
    """An accuracy, in per cent, that somebody else has published."""

    accuracy: Number
    source: str


class Variant(_Part):
    """A variant: what it changes, its runs by seed, its cost and its results by measure."""

    changes: dict[str, Any]
    runs: dict[Count, str]
    cost: dict[str, Cost | None]
    test: dict[str, Summary] = Field(default_factory=dict)
    best_by_validation: Summary | None = None
    best_on_test: Summary | None = None
    published: Published | None = None


class Comparison(_Part):
    """A paired difference, as `dgkd_cache.study.statistics` has it; what could not be computed is None."""

    variant: str
    reference: str
    seeds: tuple[Count, ...]
    differences: tuple[Number, ...]
    mean: Number | None
    low: Number | None
    high: Number | None
    p: Number | None
    adjusted_p: Number | None
    detectable: Number | None
    verdict: str
    exploratory: bool


class Bin(_Part):
    """The samples of one range of confidence."""

    samples: Count
    confidence: Number
    accuracy: Number


class Measures(_Part):
    """The measures of a run on the test set; shares are from 0 to 1."""

    samples: Count
    top1: Number
    top5: Number | None
    nll: Number
    ece: Number
    class_accuracy: tuple[Number | None, ...] = ()
    bins: tuple[Bin, ...] = ()


class Agreement(_Part):
    """A student beside a guide on the same rows."""

    samples: Count
    top1: Number
    kl: Number


class Epoch(_Part):
    """An epoch; the test set is not scored after each epoch of every run."""

    test_accuracy: Number | None = None


class Pruning(_Part):
    """The pruning that a run began with, as its card tells it."""

    sparsity: Annotated[float, Field(ge=0, lt=1)]
    criterion: str
    weights_kept: Count
    weights_of: Count


class Run(_Part):
    """A finished run: a student or a guide."""

    run: str
    model: str = ""
    architecture: str
    parameters: Count
    training: dict[str, Any] = Field(default_factory=dict)
    guides: dict[str, str] = Field(default_factory=dict)
    guide_runs: tuple[str, ...]
    draw_of: dict[str, Count] = Field(default_factory=dict)
    """The number of the draw of each store that is of one."""
    source_run: str = ""
    """The run that it is pruned from; empty for one that is not."""
    weights: str
    compute: dict[str, Any] = Field(default_factory=dict)
    epochs: tuple[Epoch, ...] = ()
    test: Measures
    agreement: dict[str, dict[str, Agreement]] = Field(default_factory=dict)
    pruning: Pruning | None = None
    """The pruning in `training`; None for a run that begins with weights of its own."""

    @model_validator(mode="before")
    @classmethod
    def _pruning_is_told_in_training(cls, record: Any) -> Any:
        if not isinstance(record, Mapping):
            return record
        training = record.get("training")
        return {**record, "pruning": training.get("pruning") if isinstance(training, Mapping) else None}

    @property
    def guide_of(self) -> dict[str, str]:
        """The run of each store of a guide: files have stores in the order of letters, and a store begins as its run.

        A store is left out if two runs begin as it does, which takes one architecture of a very long name twice.
        """
        found = {store: [run for run in self.guide_runs if store.startswith(f"{run[:_CUT]}-")] for store in self.guides}
        return {store: runs[0] for store, runs in found.items() if len(runs) == 1}

    @property
    def draws(self) -> dict[str, int]:
        """The number of draws that it has of each guide, by the guide's run; one without draws is left out."""
        guide_of = self.guide_of
        return dict(Counter(guide_of[store] for store in self.draw_of if store in guide_of))

    @property
    def test_curve(self) -> list[float]:
        """The accuracy on the test set after each epoch, as far as it was measured."""
        return [line.test_accuracy for line in self.epochs if line.test_accuracy is not None]


class Failure(_Part):
    """A run, or the store of one, that could not be made."""

    run: str
    what: str
    model: str
    seed: Count
    variants: tuple[str, ...]


class Results(_Part):
    """The results of a study, whole or of what is finished."""

    format: Literal["dgkd-study"]
    version: Literal[1]
    reference: str
    guides: str
    protocol: str = ""
    variants: dict[str, Variant]
    comparisons: tuple[Comparison, ...]
    compute: tuple[dict[str, Any], ...] = ()
    told_seeds: tuple[Count, ...] = Field(default=(), alias="seeds")
    """All seeds that were planned; none where the file is older than this key."""
    failed: tuple[Failure, ...] = ()
    classes: tuple[str, ...] = ()
    class_words: tuple[str, ...] = ()
    """A word for each class, where `classes` are ids; they need not be unique."""
    dataset: dict[str, str] = Field(default_factory=dict)
    runs: dict[str, Run]

    @model_validator(mode="after")
    def _names_are_there(self) -> Self:
        named = {run for variant in self.variants.values() for run in variant.runs.values()}
        if lacking := sorted(named - {*self.runs}):
            raise ValueError(f"runs with a record of their own; {lacking[0]} has none")
        for one in self.comparisons:
            if (one.low is None) != (one.high is None) or (one.mean is None and one.seeds):
                raise ValueError(f"intervals with both ends and means; {one.variant} has none")
            if len(one.seeds) != len(one.differences):
                raise ValueError(f"a difference for each seed; {one.variant} has not")
        for name, variant in self.variants.items():
            if any(variant.cost.get(key) is None for key in ("epochs", "guides_epochs", "guide_forwards")):
                raise ValueError(f"costs of all variants; {name} has none")
        if len({len(run.test.bins) for run in self.runs.values()}) > 1:
            raise ValueError("runs with equally many bins")
        if lacking := sorted(name for name, one in self.variants.items() if one.runs and "top1" not in one.test):
            raise ValueError(f"accuracies of all variants; {lacking[0]} has none")
        compared = {self.reference, *(name for one in self.comparisons for name in (one.variant, one.reference))}
        if lacking := sorted(compared - {*self.variants}):
            raise ValueError(f"comparisons of variants that are there; {lacking[0]} is not")
        return self

    def students(self, variant: str) -> dict[int, Run]:
        """Returns the finished runs of a variant by seed, in the order of the seeds."""
        runs = self.variants[variant].runs
        return {seed: self.runs[runs[seed]] for seed in sorted(runs)}

    @property
    def shown(self) -> list[str]:
        """The variants of which a run is finished, in the order of the study."""
        return [name for name in self.order if self.variants[name].runs]

    @property
    def order(self) -> list[str]:
        """All variants: the reference, then as they are compared. Files have them in the order of their letters."""
        compared = [name for one in self.comparisons for name in (one.reference, one.variant)]
        return [*dict.fromkeys([self.reference, *compared, *self.variants])]

    @property
    def planned(self) -> list[int]:
        """All seeds that were planned; those of which a run is finished where the file does not tell."""
        return [*self.told_seeds] or sorted({seed for variant in self.variants.values() for seed in variant.runs})

    def name_of(self, run: str) -> str:
        """Returns a guide's name in the chain; that of the run if it has no record, because it is made again."""
        found = self.runs.get(run)
        return run if found is None else found.model or found.architecture

    def class_name(self, index: int) -> str:
        """Returns the name of a class, with a word for it in front of an id; its number where there are no names."""
        name = self.classes[index] if index < len(self.classes) else f"class {index}"
        return f"{self.class_words[index]} ({name})" if index < len(self.class_words) else name


def as_results(content: Mapping[str, Any], path: Path) -> Results:
    """Returns results that were parsed from JSON; `path` is for the message. Raises Damaged if they are none."""
    try:
        return Results.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(
            f"{path} is not the results of a comparison",
            expected="a results.json as `dgkd-cache compare` writes it",
            found=f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"[:300],
            do="run `dgkd-cache compare` again: it writes the results of what is finished without training it again",
        ) from error


def read_results(path: Path) -> dict[str, Any]:
    """Returns the JSON of a results.json. Raises InvalidInput if there is none, and Damaged if it is no JSON."""
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"there is no {path}",
            expected="the results.json of a comparison",
            found="no such file",
            do="check the path; `dgkd-cache compare` writes one",
        ) from error
