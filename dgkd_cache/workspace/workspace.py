"""A workspace on disk: its settings, the paths of its runs and stores, its data set and view plan.

Data set and plan are loaded at first use, so opening a workspace loads no torch.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dgkd_cache.config.assignments import assign, parse_assignment, parse_assignments
from dgkd_cache.config.members import Member
from dgkd_cache.config.tables import DatasetConfig
from dgkd_cache.config.workspace_config import (
    CONFIG_NAME,
    WorkspaceConfig,
    check_model_name,
    is_model_name,
    is_store_name,
    read_config,
)
from dgkd_cache.distillation.methods import guides_of
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.paths import data_folder, folders_in
from dgkd_cache.run_files.reading import START_OVER
from dgkd_cache.workspace.command_lines import command_in
from dgkd_cache.workspace.member_architecture import source_architecture
from dgkd_cache.workspace.store_names import chain_first
from dgkd_cache.workspace.view_settings import check_transforms
from dgkd_stores import draw_name, signature_path, split_draw_name
from dgkd_stores.arguments import as_path
from dgkd_stores.disk import Stop, as_store_path, create_durably, expand_user, full_disk, make_folder, never

if TYPE_CHECKING:
    from dgkd_cache.datasets.registry import Dataset
    from dgkd_cache.views.plan import ViewPlan
    from dgkd_stores import TrustedKeys

__all__ = ["Workspace"]

_OF_SETTINGS = ("run", "train", "dump")
"""Verbs whose result depends on --set: hints repeat it."""


@dataclass(frozen=True, eq=False)
class Workspace:
    """A folder with a `dgkd.toml`; relative paths in that file start at the folder."""

    folder: Path
    """The path of the folder."""
    config: WorkspaceConfig
    """The settings."""
    named: frozenset[str] = field(default=frozenset(), kw_only=True)
    """Architectures that the user names, besides those of [chain]."""
    assignments: tuple[str, ...] = field(default=(), kw_only=True)
    """Settings KEY=VALUE that override the file."""
    stop: Stop = field(default=never, kw_only=True, repr=False)
    """Asked after each file while the data set is read: true means to stop, with what was read kept."""
    _loaded: dict[tuple[DatasetConfig, str], Dataset] = field(default_factory=dict, kw_only=True, repr=False)

    @classmethod
    def open(cls, folder: Path | str) -> Workspace:
        """Opens the workspace in `folder`. Raises InvalidInput if there is no usable `dgkd.toml`."""
        folder = as_path("Workspace.open", "folder", folder)
        path = folder / CONFIG_NAME
        if not path.is_file():
            raise InvalidInput(
                f"{folder.resolve()} is no workspace",
                expected=f"a file {CONFIG_NAME} in it",
                do=f"`{command_in(folder, 'init --dataset digits --chain plain4,plain2')}` makes one there; "
                "-w DIR names another folder, as in `dgkd-cache -w DIR ls`",
            )
        return cls(folder, read_config(path))

    @classmethod
    def init(cls, folder: Path | str, config_text: str) -> Workspace:
        """Creates a workspace in `folder`, and the folder if needed.

        Raises InvalidInput if there is one already, and NoSpace.
        """
        path = Path(folder) / CONFIG_NAME
        try:
            with full_disk(path, left="nothing was begun"):
                make_folder(path.parent)
                create_durably(path, config_text.encode())
        except FileExistsError as error:
            raise InvalidInput(
                f"{path.resolve()} is there already and is left as it is",
                do="edit it, or name another folder: `dgkd-cache init --help`",
            ) from error
        return cls.open(folder)

    def with_config(self, config: WorkspaceConfig) -> Workspace:
        """Returns this workspace with other settings (the file's, overridden by flags)."""
        return replace(self, config=config)

    def assigning(self, texts: Sequence[str]) -> Workspace:
        """Returns this workspace with settings KEY=VALUE that override the file, which hints then repeat.

        Raises InvalidInput if one is wrong, or unknown.
        """
        config = assign(self.config, parse_assignments(texts))
        return replace(self, config=config, assignments=(*self.assignments, *texts))

    def stopping(self, stop: Stop) -> Workspace:
        """Returns this workspace, which asks `stop` while it reads its data set."""
        return replace(self, stop=stop)

    def hinting_without(self, *tables: str) -> Workspace:
        """Returns this workspace, whose hints leave out the assignments to keys of `tables`; its settings stay."""
        kept = tuple(one for one in self.assignments if parse_assignment(one)[0][0] not in tables)
        return replace(self, assignments=kept)

    def naming(self, architectures: Iterable[str]) -> Workspace:
        """Returns this workspace with more architectures that the user names, besides those of [chain]."""
        return replace(self, named=self.named.union(architectures))

    def names(self, architecture: str) -> bool:
        """Returns True if the user names exactly this architecture, in [chain] or [models] of dgkd.toml or by a flag.

        A `module:factory` that only a card names is not imported.
        """
        of_models = {model.architecture for model in self.config.models.values()}
        return architecture in {*self.config.chain.values(), *of_models} or architecture in self.named

    @property
    def chain(self) -> tuple[str, ...]:
        """The names of the chain, largest first."""
        return tuple(self.config.chain)

    def member(self, name: str) -> Member:
        """Returns what `name` is; anything that is not in the chain is a run that was trained here."""
        return self.config.member(name) if name in self.config.chain else Member(kind="trained", what="")

    @property
    def trained_here(self) -> tuple[str, ...]:
        """The names of the models of the chain that are trained here, pruned ones as well."""
        return tuple(name for name in self.chain if self.member(name).kind in ("trained", "pruned"))

    def run_name(self, name: str) -> str:
        """Returns the name under which the run of `name` lies: its own, or that of the adopted model that it is."""
        member = self.member(name)
        return member.what if member.kind == "adopted" else name

    def model_of(self, run: str) -> str | None:
        """Returns the model of the chain whose run is called `run`; None if there is none."""
        return next((name for name in self.chain if self.run_name(name) == run), None)

    def architecture(self, name: str) -> str:
        """Returns the text of `name` in the chain; of a pruned model, the architecture of what it is pruned from.

        Raises UnknownName if it is not in the chain, and for a pruned one what `source_architecture` raises.
        """
        if name not in self.config.chain:
            raise unknown_name("model", name, self.chain, do="[chain] in dgkd.toml lists the models")
        own = self.config.chain[name] if self.member(name).kind != "pruned" else None
        runs, adopting = self.folder / "runs", self.adopt_command
        return own or source_architecture(self.config, name, runs, named=self.named, adopting=adopting)

    def guides_for(self, name: str, method: str | None = None) -> tuple[str, ...]:
        """Returns the guides of `name`, largest first, under `method` (default: the workspace's).

        A model that is not trained here has none.
        """
        if name not in self.trained_here:
            self.architecture(name)  # an unknown name is told
            return ()
        before = self.chain[: self.chain.index(name)]
        return guides_of(method or self.config.distillation.method, before)

    def teaches(self, name: str) -> bool:
        """Returns True if a later model of the chain learns from `name`."""
        return any(name in self.guides_for(other) for other in self.chain)

    def run_folder(self, name: str) -> Path:
        """Returns the folder of the run called `name`, or of that model of the chain; it may not exist."""
        return self.folder / "runs" / check_model_name(self.run_name(name))

    def store_path(self, name: str, views: range | None = None, *, draw: int | None = None) -> Path:
        """Returns the path of the guide store of `name`, which may not exist: that of a member `store:PATH` is PATH.

        It holds the workspace's views; a store of other `views` of the same guide is called NAME-FIRST-STOP. That of a
        `draw` is called NAME.dNUMBER, which may also be given as the name.
        """
        if draw is None:
            name, draw = split_draw_name(name)
        member = self.member(name)
        if member.kind == "store" and draw is None:
            path = as_store_path(member.what)  # a name without a path is that of a store in guides/, as for align
            return self.folder / (Path("guides") / f"{member.what}.zarr" if path is None else path)
        name = self.run_name(name)
        if not is_store_name(name):
            check_model_name(name)
        if draw is not None:
            name = draw_name(name, draw)
        if views is not None and views != range(self.config.views.count):
            name = f"{name}-{views.start}-{views.stop}"
        return self.folder / "guides" / f"{name}.zarr"

    def stores_of(self, name: str) -> tuple[Path, ...]:
        """Returns the existing stores of `name`: of the workspace's views, and of others."""
        name = self.run_name(name)
        others = {*self.chain, *self.runs()} - {name}  # a model may be called ta1-0-20
        own = re.compile(rf"{re.escape(name)}(\.d\d+)?(-\d+-\d+)?")
        return tuple(self.store_path(one) for one in self.stores() if own.fullmatch(one) and one not in others)

    def runs(self) -> tuple[str, ...]:
        """Returns the names under `runs/`: the chain's first, in its order, then the others."""
        found = folders_in(self.folder / "runs")
        names = (path.name for path in found if is_model_name(path.name) and not path.is_symlink())
        return chain_first(names, self.chain)

    def other_runs(self) -> tuple[Path, ...]:
        """Returns everything in `runs/` except folders with a run's name, hidden files and locks."""
        folder, names = self.folder / "runs", self.runs()
        others = sorted(folder.iterdir()) if folder.is_dir() else []
        shown = [path for path in others if path.suffix not in (".writing", ".lock") and not path.name.startswith(".")]
        return tuple(path for path in shown if path.name not in names)

    def stores(self) -> tuple[str, ...]:
        """Returns the names of the stores under `guides/`, finished or not, in the same order."""
        found = folders_in(self.folder / "guides")
        names = (path.stem for path in found if path.suffix == ".zarr" and is_store_name(path.stem))
        return chain_first(names, self.chain)

    def guides(self) -> tuple[str, ...]:
        """Returns the content of `guides/` for a check: the names of stores, and the paths of anything else.

        Hidden files, the folders of active writers, and of what lies there signatures and origins are omitted.
        """
        folder, names = self.folder / "guides", self.stores()
        stores = {self.store_path(name) for name in names}
        others = sorted(set(folder.iterdir()) - stores) if folder.is_dir() else []
        signatures = {signature_path(path) for path in (*stores, *others)}
        # An origin is checked with its store; its signature is that of the published store.
        origins = {path.with_name(f"{path.name}.origin") for path in stores}
        omitted = signatures | origins | {signature_path(path) for path in origins}
        writing = {path for path in others if path.suffix == ".writing" and path.is_dir() and not path.is_symlink()}
        shown = [path for path in others if not path.name.startswith(".") and path not in writing | omitted]
        return (*names, *map(str, shown))

    def trusted_keys(self) -> TrustedKeys | None:
        """Returns the keys of [sharing], read now; None if it names none. Raises InvalidInput for a wrong one."""
        from dgkd_stores import TrustedKeys

        sharing = self.config.sharing
        if not sharing.keys and sharing.allowed_signers is None:
            return None
        return TrustedKeys.read(keys=sharing.keys, allowed_signers=sharing.allowed_signers, folder=self.folder)

    def remedy(self, name: str, *, stale: bool = False) -> str:
        """Returns the hint for a finished run called `name` whose files have changed.

        The guides of a `stale` one, made of other data or views, are stale as well.
        """
        if (model := self.run_name(name)) in self.config.models:
            return f"`{self.adopt_command(model)}` adopts it again"
        if name not in self.chain:
            return START_OVER
        if stale:
            return f"`{self.command('run --remake')}` sets aside what does not fit, and makes it again"
        return f"`{self.command(f'train --model {name} --fresh')}` sets it aside and trains it again"

    def adopt_command(self, model: str) -> str:
        """Returns the command that adopts `model` again, for hints; the file of its weights is known to its user."""
        known = self.config.models.get(model)
        architecture = shlex.quote(known.architecture) if known else "ARCHITECTURE"
        return self.command(f"adopt {model} --arch {architecture} --weights FILE{' --fresh' if known else ''}")

    def command(self, words: str) -> str:
        """Returns the command line of these words for hints, as it works from the current folder."""
        if words.split()[0] in _OF_SETTINGS:
            words = " ".join([words, *(f"--set {shlex.quote(text)}" for text in self.assignments)])
        return command_in(self.folder, words)

    @property
    def data_root(self) -> Path | None:
        """The folder of data sets, None for the default one."""
        return self.folder / expand_user(root) if (root := self.config.dataset.root) else None

    @property
    def dataset_name(self) -> str:
        """The data set's name for the registry, with an absolute path in `folder:PATH` and the like."""
        if named := data_folder(self.config.dataset.name):
            kind, path = named
            return f"{kind}:{(self.folder / expand_user(path)).resolve()}"
        return self.config.dataset.name

    @property
    def aligned_with(self) -> Path | None:
        """The path of the store that `dataset.align` names, by its name or by a path; None if it names none."""
        if (guide := self.config.dataset.align) is None:
            return None
        path = as_store_path(guide)
        return self.store_path(guide) if path is None else self.folder / path

    @property
    def class_map(self) -> Path | None:
        """The path of the file that `dataset.class_map` names; None if it names none."""
        return None if (named := self.config.dataset.class_map) is None else self.folder / expand_user(named)

    def dataset(self) -> Dataset:
        """Returns the data set, loaded once, also for this workspace with other settings of training.

        With `dataset.align` it is aligned with that guide. Raises UnknownName and InvalidInput for unsuitable
        transforms, DataUnreadable, and for the guide what `GuideStore.open` raises, InvalidInput for a class map that
        is none, and Mismatch for other samples. Raises Interrupted once `stop` says so.
        """
        from dgkd_cache.datasets.registry import load_dataset
        from dgkd_cache.guides.align import align_dataset

        settings, decoder = self.config.dataset, self.config.views.decoder
        if (settings, decoder) not in self._loaded:
            check_transforms(self.config.views)
            guide, class_map = self.aligned_with, self._read_class_map()
            loaded = load_dataset(
                self.dataset_name, root=self.data_root, download=settings.download, decoder=decoder, stop=self.stop
            )
            self._loaded[settings, decoder] = loaded if guide is None else align_dataset(loaded, guide, class_map)
        return self._loaded[settings, decoder]

    def _read_class_map(self) -> dict[str, str] | None:
        from dgkd_cache.datasets.class_map import read_class_map

        return None if self.class_map is None else read_class_map(self.class_map)

    def plan(self) -> ViewPlan:
        """Returns the view plan for this data set's images. Raises InvalidInput for unsuitable transforms."""
        return self._plan

    @cached_property
    def _plan(self) -> ViewPlan:
        from dgkd_cache.views.plan import ViewPlan

        views, train = self.config.views, self.dataset().train
        return ViewPlan.build(
            image=(train.channels, train.height, train.width),
            transforms=list(views.transforms),
            scheme=views.scheme,
            seed=views.seed,
            decoder=views.decoder,
            held_out=self.config.dataset.validation,
        )
