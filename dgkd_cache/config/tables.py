"""The tables of `dgkd.toml`: every key with its type, bounds, default and a line on its meaning.

`template` writes these lines into the file, and `workspace_config` reads the file. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dgkd_stores import MAX_VIEWS, codec_names, encoding_names, is_utf8

__all__ = [
    "OF_TOPK",
    "CacheConfig",
    "CompareConfig",
    "DatasetConfig",
    "DistillationConfig",
    "Method",
    "ModelConfig",
    "Name",
    "Published",
    "Table",
    "TrainingConfig",
    "ViewsConfig",
    "choices",
]

Method = Literal["scratch", "kd", "takd", "dgkd"]
Precision = Literal["auto", "float32", "bf16"]

OF_TOPK = ("topk", "topk_temperatures")
"""The keys of [cache] that belong to the encoding topk alone."""

MOST = 2**31 - 1
"""The upper limit of every count: a larger number is a typing error, and overflows in numpy or torch."""


def _one_of(names: Callable[[], Iterable[str]]) -> AfterValidator:
    """Returns the validator of a name that is registered; `names` returns them."""

    def check(name: str) -> str:
        if name not in names():
            raise ValueError(f"one of {', '.join(names())}")
        return name

    return AfterValidator(check)


def _name(text: str) -> str:
    if "\0" in text or not is_utf8(text):
        raise ValueError("text in UTF-8 without NUL, as file names and TOML have it")
    return text


Name = Annotated[str, AfterValidator(_name)]
# TOML has lists. Without `strict`, pydantic would take a set as well, whose order is not given.
_FROM_LIST = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Texts = Annotated[tuple[Name, ...], _FROM_LIST]
Fractions = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], _FROM_LIST]
Temperatures = Annotated[tuple[Annotated[float, Field(gt=0)], ...], _FROM_LIST]


class Table(BaseModel):
    """The base of all tables: frozen, strict about types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)


def choices(table: type[Table], key: str) -> tuple[str, ...]:
    """Returns the allowed values of a key."""
    return tuple(get_args(table.model_fields[key].annotation))


class DatasetConfig(Table):
    """The data set."""

    name: Name = Field(
        default="digits",
        min_length=1,
        description="digits, mnist, fashion-mnist, cifar10, cifar100, folder:PATH, imagenet:ROOT, tiny-imagenet:ROOT "
        "or module:factory",
    )
    root: Name | None = Field(default=None, description="where data sets are kept (default: ~/.cache/dgkd-cache)")
    download: bool = Field(default=True, description="fetch a known data set that is not there yet")
    validation: int = Field(default=0, ge=0, le=MOST, description="samples held out of training, for every model")
    align: Name | None = Field(
        default=None,
        min_length=1,
        description="a guide's store (its name or path), whose samples give ours their order: matched by content",
    )
    class_map: Name | None = Field(
        default=None, min_length=1, description="with align: a JSON file of the guide's class names to ours"
    )

    @model_validator(mode="after")
    def _a_class_map_is_of_a_guide(self) -> Self:
        if self.class_map is not None and self.align is None:
            raise ValueError("no class_map without align: it is for the guide that align names")
        return self


class ViewsConfig(Table):
    """The view plan, how many views are cached, and which one an epoch uses."""

    transforms: Texts = Field(
        min_length=1, description='in order, as "crop(4)", "hflip"; or "none"; `dgkd-cache transforms` lists them'
    )
    scheme: Literal["sampled", "enumerated"] = Field(
        default="sampled", description="sampled: each (view, sample) draws; enumerated: every outcome once"
    )
    count: int = Field(default=40, ge=1, le=MAX_VIEWS, description="views that are cached of every guide")
    schedule: Literal["cycle", "draw"] = Field(
        default="cycle", description="cycle: view = epoch mod count; draw: one per (epoch, sample)"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of the plan; another seed is another plan")
    decoder: Literal["pillow", "torchcodec"] = Field(
        default="pillow", description="of a folder's JPEGs: pillow, torchcodec (faster, extra jpeg); part of the plan"
    )


class CacheConfig(Table):
    """The storage of a guide's logits."""

    temperature: float = Field(default=4.0, gt=0, description="rows are stored as logits / temperature")
    encoding: Annotated[str, _one_of(encoding_names)] = Field(
        default="float16", description=f"of a row: {', '.join(encoding_names())}"
    )
    topk: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None, description="of encoding topk: logits in a row, the largest; the others have their share together"
    )
    topk_temperatures: Temperatures = Field(
        default=(), description="of encoding topk: temperatures to train at besides temperature and 1"
    )
    codec: Annotated[str, _one_of(codec_names)] = Field(
        default="none", description=f"of new stores: {', '.join(codec_names())}; none is the fastest to train from"
    )
    precision: Precision = Field(
        default="float32", description="the guide's forward pass, run once: auto, float32, bf16"
    )
    batch_size: int = Field(default=512, ge=1, le=MOST, description="fixed by the store: part of its identity")
    licence: str = Field(default="", max_length=256, description="of the stores, for whoever gets them")
    reader: Literal["auto", "mmap", "pread"] = Field(
        default="auto", description="auto, mmap (local disks), pread (disks that others write to)"
    )
    draws: int = Field(
        default=0, ge=0, le=10_000, description="passes with dropout that are guides in place of the model (0: itself)"
    )
    accept_probabilities: bool = Field(
        default=False, description="take a guide's outputs for logits though each row sums to 1, as after a softmax"
    )

    @model_validator(mode="after")
    def _topk_has_a_number_and_no_other_has_one(self) -> Self:
        if self.encoding == "topk" and self.topk is None:
            raise ValueError('topk, the number of logits in a row, with encoding = "topk"')
        if self.encoding != "topk" and (given := [key for key in OF_TOPK if getattr(self, key)]):
            raise ValueError(f'no {given[0]} where encoding = "{self.encoding}": it is for "topk"')
        return self


class TrainingConfig(Table):
    """The training recipe of a model; `[training.ta1]` overrides any key for ta1."""

    epochs: int = Field(default=160, ge=1, le=MOST, description="passes over the training set")
    batch_size: int = Field(default=128, ge=1, le=MOST, description="samples in a step")
    optimizer: Literal["sgd", "adamw"] = Field(default="sgd", description="sgd or adamw")
    lr: float = Field(default=0.1, gt=0, description="learning rate at the start")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(default=False, description="of sgd")
    weight_decay: float = Field(default=1e-4, ge=0, description="L2 penalty (decoupled with adamw)")
    lr_schedule: Literal["step", "constant", "cosine"] = Field(default="step", description="step, constant or cosine")
    lr_steps: Fractions = Field(default=(0.5, 0.75), description="of all epochs, where a step is taken")
    lr_gamma: float = Field(default=0.1, gt=0, le=1, description="what a step multiplies lr by")
    warmup_epochs: int = Field(default=0, ge=0, le=MOST, description="epochs of linear warm-up")
    precision: Precision = Field(default="auto", description="auto (bf16 where it is faster), float32, bf16")
    channels_last: Literal["auto", True, False] = Field(
        default="auto", description="memory format of convolutions: auto (what is faster), true, false"
    )
    compile: bool = Field(default=False, description="torch.compile the model: a C++ compiler, and a minute or so")
    input_size: Annotated[int, Field(ge=1, le=2**16)] | None = Field(
        default=None,
        description="pixels a side that views are resized to (default: the model's own size, if it has one)",
    )
    views: Literal["cached", "fresh"] = Field(
        default="cached", description="cached: the guides' views; fresh: a new view every epoch, no guides"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="order, schedule, dropping, initial weights")
    order: Literal["shuffled", "blocks"] = Field(
        default="shuffled", description="blocks: neighbours stay together, for guides that are larger than memory"
    )
    checkpoint_steps: int = Field(default=500, ge=1, le=MOST, description="steps between checkpoints")
    workers: int = Field(default=2, ge=0, le=1024, description="data loader processes, where images are not in memory")
    select: Literal["last", "best"] = Field(
        default="last", description="last epoch, or the best by the validation split"
    )

    @model_validator(mode="after")
    def _nesterov_looks_ahead_by_momentum(self) -> Self:
        if self.nesterov and self.optimizer == "sgd" and not self.momentum:
            raise ValueError("no nesterov where momentum = 0, or a momentum above 0")
        return self


class DistillationConfig(Table):
    """The distillation of a model from its guides: method, objective, temperature and dropping."""

    method: Method = Field(
        default="dgkd", description="guides: scratch none, kd teacher, takd the one before, dgkd all before"
    )
    objective: Literal["paper", "official", "mean"] = Field(
        default="paper", description="paper (Eq. 7, a sum: may need a lower lr), official (the authors' code), mean"
    )
    guide_loss: Literal["kl", "dkd", "dist"] = Field(
        default="kl", description="against one guide: kl, dkd (decoupled), dist (correlation; students far below)"
    )
    standardize: bool = Field(default=False, description="logits of student and guides lose mean and spread first")
    weights: Literal["equal", "student"] = Field(
        default="equal", description="student: for each sample, guides by their agreement with it (kl and dkd)"
    )
    percentile: float = Field(
        default=0.0, ge=0, le=100, description="student: guides that agree less than this percentile are left out (90)"
    )
    dkd_alpha: float = Field(default=1.0, ge=0, description="dkd: weight of the label against all other classes")
    dkd_beta: float = Field(default=8.0, ge=0, description="dkd: weight of the other classes among themselves")
    dist_beta: float = Field(default=1.0, ge=0, description="dist: weight over the classes of a sample")
    dist_gamma: float = Field(default=1.0, ge=0, description="dist: weight over the samples of a class")
    lambda_: float = Field(default=0.5, alias="lambda", ge=0, le=1, description="share of the guides, 0 to 1")
    temperature: float | None = Field(default=None, gt=0, description="of the loss (default: the cache's)")
    dropping: Literal["bernoulli", "fixed", "none"] = Field(
        default="bernoulli", description="bernoulli: each guide by itself; fixed: exactly `drop`; none"
    )
    keep: float = Field(default=0.75, ge=0, le=1, description="bernoulli: a guide's chance to take part")
    drop: int = Field(default=1, ge=0, le=MOST, description="fixed: guides left out of every batch")
    always: Texts = Field(default=(), description="bernoulli: guides that are never dropped")
    at_least_one: bool = Field(default=False, description="bernoulli and fixed: keep one guide in every batch")

    @model_validator(mode="after")
    def _dist_has_no_single_samples(self) -> Self:
        if self.weights == "student" and self.guide_loss == "dist":
            raise ValueError('weights = "equal" with guide_loss = "dist", which has no loss of a single sample')
        return self

    @model_validator(mode="after")
    def _a_percentile_filters_weights(self) -> Self:
        if self.percentile and self.weights != "student":
            raise ValueError(f'no percentile where weights = "{self.weights}": it is for "student"')
        return self

    @model_validator(mode="after")
    def _what_is_spared_could_be_dropped(self) -> Self:
        if self.dropping != "bernoulli" and self.always:
            raise ValueError(f'no always where dropping = "{self.dropping}": it is for "bernoulli"')
        if self.dropping == "none" and self.at_least_one:
            raise ValueError('no at_least_one where dropping = "none": it is for "bernoulli" and "fixed"')
        return self


_MOST_SEEDS = 1000


def _seeds(value: object) -> int | tuple[int, ...]:
    """Returns a number of seeds, or a list of them as a tuple; a union of types would name itself in messages."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_SEEDS:
        return value
    if isinstance(value, list | tuple) and 1 <= len(value) <= _MOST_SEEDS:
        seeds = [seed for seed in value if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63]
        if len(set(seeds)) < len(seeds):
            raise ValueError("each seed once")
        if len(seeds) == len(value):
            return tuple(seeds)
    raise ValueError(f"a number of seeds from 1 to {_MOST_SEEDS}, or a list of seeds from 0, as [0, 1, 2]")


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list | tuple):
        pairs = [tuple(pair) if isinstance(pair, list | tuple) else () for pair in value]
        if all(len(pair) == 2 and all(isinstance(name, str) for name in pair) for pair in pairs):
            return tuple(pairs)
    raise ValueError('pairs of variants, as [["dgkd+drop", "dgkd"], ["dgkd", "kd"]]')


Pairs = Annotated[tuple[tuple[Name, Name], ...], BeforeValidator(_pairs)]


class Published(Table):
    """An accuracy that somebody else has published, to stand beside that of a variant."""

    accuracy: float = Field(gt=0, le=100, description="on the test set, in per cent")
    source: Name = Field(min_length=1, description="paper and table, or repository and file")


class CompareConfig(Table):
    """The comparison of variants over seeds, for `dgkd-cache compare`."""

    reference: Name = Field(default="scratch", description="the variant that the others are compared with")
    seeds: Annotated[int | tuple[int, ...], BeforeValidator(_seeds)] = Field(
        default=5, description="of the student: a number of seeds from 0, or a list of them"
    )
    comparisons: Pairs = Field(
        default=(), description="pairs, each a variant and what it is compared with (none: each with the reference)"
    )
    guides: Literal["shared", "per-seed"] = Field(
        default="shared", description="shared: the same for all seeds; per-seed: a chain for each"
    )
    protocol: Literal["last", "paper"] = Field(
        default="last", description="last: the last epoch; paper: beside it the best on test, which is optimistic"
    )
    variants: dict[Name, dict[str, object]] = Field(
        default_factory=dict, description="name = { what differs }; none: scratch, kd, takd, dgkd, dgkd+drop"
    )
    published: dict[Name, Published] = Field(
        default_factory=dict, description="name = { accuracy in per cent, source }: others' results of these variants"
    )

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @model_validator(mode="after")
    def _published_of_variants(self) -> Self:
        if self.variants and (other := [name for name in self.published if name not in self.variants]):
            raise ValueError(f"published accuracies of variants alone, not of {', '.join(other)}")
        return self


class ModelConfig(Table):
    """A model that was trained elsewhere, as `dgkd-cache adopt` writes it: [models.NAME]."""

    architecture: Name = Field(min_length=1, description="what the weights are of; a card's is compared with it")
    weights: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the weights that the run of NAME must have")


class SharingConfig(Table):
    """Whose signatures count. With either key, a guide from elsewhere is refused unless one of them has signed it."""

    keys: Texts = Field(
        default=(), description="public SSH keys, as files or lines: with one, guides from elsewhere must be signed"
    )
    allowed_signers: Name | None = Field(default=None, description="a file of ssh-keygen's, which likewise names keys")
