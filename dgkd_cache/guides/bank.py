"""GuideBank: reads the guides of a training run from sealed stores.

Every store is checked against the data set, the view plan and the views of the run BEFORE training, and the probe
replays pixels, so the student provably gets the images that its guides got. Only kept guides are read, and rows are
decoded on the training device.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.images import Images
from dgkd_cache.device.device import usable_device
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.align import align_images
from dgkd_cache.guides.bank_arguments import check_bank_arguments, check_guide_names
from dgkd_cache.guides.cached import CachedGuide, ReadRows, common_temperature, common_views, group_stores
from dgkd_cache.guides.compatibility import adopt_plan, check_store, columns_of
from dgkd_cache.guides.loader import GuideLoader
from dgkd_cache.guides.loader_settings import make_loader
from dgkd_cache.guides.patterns import expand_stores
from dgkd_cache.guides.topk_rows import encoding_at, topk_names
from dgkd_cache.guides.transfer import ResidentRows, Rows, SelectedColumns, StreamedRows, resident_bytes
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, RowIndex, TrustedKeys, check_signature
from dgkd_stores.arguments import describe_value

__all__ = ["GuideBank"]


class GuideBank:
    """The guides of a run, in the given order; stores of one guide with different views count as one guide.

    `guides/ta1.d*` in place of a store stands for all draws of ta1 in that folder, each of which is a guide.

    `images` are the training images; the view plan is then that of the first store, which all others must have. A
    `ViewRenderer` binds them to a plan that all stores must have. `views` are the view numbers that the run will use
    (without it, all that every guide has), and `temperature` is that of the training (without it, that of the stores):
    rows dumped at T are multiplied by T / temperature.

    Raises InvalidInput for arguments of another kind, StoreNotFound, Incomplete, Damaged or UnsafeStore as
    `GuideStore.open` does, and Mismatch, which names the first difference, if a store was made from other samples,
    labels, classes, views or pixels, or lacks `views`; also where its views mix samples, and aligned images lack some.
    One of the encoding `topk` is refused at a temperature without a share of the classes that are left out, and where
    some of its classes are not ours.

    Pixels and rows are given out on `device`; images in memory are copied there once, unless they come with a
    `ViewRenderer`. On a GPU, rows that were read stay in its memory if all take at most half of what is free;
    `keep_on_device` overrides this on any device. `reader` selects how files are read: see `GuideStore.open`.

    With `align`, the images may be those of the guides in another order, or some of them: they are matched by content
    and label with the samples of the first store, and samples have its numbers from then on. `class_map` gives our name
    for each class of the guides that is ours; only these columns are given out.

    `names` are what the guides are called here, one for each store, in place of the names in the stores; stores that
    share one are of one guide.

    With `trusted` keys, each store must be signed by one of them: Mismatch for one that is not, before anything else.
    """

    def __init__(
        self,
        stores: Sequence[os.PathLike[str] | str],
        images: Images | ViewRenderer,
        *,
        views: range | None = None,
        temperature: float | None = None,
        device: torch.device | str = "cpu",
        keep_on_device: bool | None = None,
        reader: str = "auto",
        align: bool = False,
        class_map: Mapping[str, str] | None = None,
        trusted: TrustedKeys | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        check_bank_arguments(stores, images, views, temperature, keep_on_device, reader, align, class_map, trusted)
        stores = expand_stores(stores)
        check_guide_names(names, stores)
        self._device = usable_device(device, call="GuideBank")
        self._stores: list[GuideStore] = []
        self._closed = False
        renderer = images if isinstance(images, ViewRenderer) else None
        try:
            for path in stores:
                self._stores.append(GuideStore.open(Path(path), reader=reader))
                if trusted is not None:
                    check_signature(self._stores[-1], trusted)
                if renderer is None:
                    assert isinstance(images, Images)
                    if align:
                        images = align_images(images, self._stores[-1], class_map)
                    renderer = adopt_plan(self._stores[-1], images, self._device)
                check_store(self._stores[-1], renderer)
            assert renderer is not None
            self._renderer = renderer
            self._temperature = common_temperature(self._stores) if temperature is None else float(temperature)
            self._resident = self._fits(keep_on_device)
            self._guides = group_stores(
                self._stores, self._rows_of, names=names, temperature=self._temperature, device=self._device
            )
            self._views = common_views(self._guides) if views is None else views
            for guide in self._guides:
                guide.require(self._views)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """The guides' names."""
        return tuple(guide.name for guide in self._guides)

    @property
    def temperature(self) -> float:
        """The temperature of the rows that are given out, and of the loss."""
        return self._temperature

    @property
    def views(self) -> range:
        """The view numbers that the run uses."""
        return self._views

    @property
    def renderer(self) -> ViewRenderer:
        """The view plan, bound to the training images."""
        return self._renderer

    @property
    def topk_names(self) -> tuple[str, ...]:
        """The names of the guides with rows of the encoding `topk`, which not every guide loss can use."""
        return topk_names(self.stores)

    @property
    def identities(self) -> Mapping[str, str]:
        """The seal of each guide's store; of several stores, the SHA-256 (hex) of their seals in the order of views."""
        return {guide.name: guide.identity for guide in self._guides}

    @property
    def stores(self) -> Mapping[str, tuple[GuideStore, ...]]:
        """The open stores of each guide, by its name."""
        return {guide.name: guide.stores for guide in self._guides}

    def loader(
        self,
        *,
        batch_size: int,
        epochs: int | None = None,
        seed: int = 0,
        dropping: Dropping = Dropping(),  # noqa: B008 - it is frozen
        schedule: Literal["cycle", "draw"] | None = None,
        order: Literal["shuffled", "blocks"] = "shuffled",
        samples: npt.ArrayLike | None = None,
        workers: int = 0,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> GuideLoader:
        """Returns an iterable of `GuidedBatch`: pixels, labels, softened logits and the loss of every training step.

        Order, views and dropped guides depend on `seed`, the epoch and the step alone, and are those of our own
        training with these settings. With `epochs`, one iteration is the whole run; without, it is one epoch, and the
        next iteration the next epoch. `first_step` resumes a run, as does `load_state_dict`.

        `dropping` chooses the guides of each step. By default each is kept in 75 % of the steps, a single one too;
        plain knowledge distillation, with one guide, drops none: `dropping=Dropping(kind="none")`.

        `schedule` is that of the views (`Schedule`; default: `draw` for enumerated views, else `cycle`). `order` is
        `shuffled`, or `blocks` for stores that are larger than memory. `samples` are the numbers of the samples to
        train on (default: all); where views mix samples, they are all that the view plan holds out, or all others.
        `workers` processes decode images that are not in memory. Process `rank` of `world_size` gets its share of each
        batch.

        Raises InvalidInput for arguments out of range, UnknownName if `dropping` always keeps a guide that is not here.
        """
        return make_loader(
            self,
            self._renderer,
            self._views,
            self._device,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            dropping=dropping,
            schedule=schedule,
            order=order,
            samples=samples,
            workers=workers,
            first_step=first_step,
            rank=rank,
            world_size=world_size,
        )

    def gather(
        self,
        views_B: NDArray[np.int64],
        samples_B: NDArray[np.int64],
        keep_G: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Returns logits / temperature of the kept guides for B (view, sample) pairs: (K, B, C) on the device.

        They are float16 or float32 as stored, float32 for other encodings and after rescaling. A guide that is not kept
        is not read. Raises Damaged if a row's block does not match its digest, InvalidInput for a mask that does not
        match the guides.
        """
        return self.begin(views_B, samples_B, keep_G)()

    def begin(
        self,
        views_B: NDArray[np.int64],
        samples_B: NDArray[np.int64],
        keep_G: NDArray[np.bool_] | None = None,
    ) -> ReadRows:
        """Reads and checks rows now, on any thread, and returns a function that returns them: `gather` in two parts.

        Raises what `gather` raises.
        """
        kept = self._guides if keep_G is None else self._select(keep_G)
        index = self._index(views_B, samples_B)
        shape = 0, len(index.views_B), len(self._renderer.images.classes)
        return ReadRows([guide.read(index) for guide in kept], shape, self._device)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Starts reading the rows of these pairs, which will be requested later, from the disk in the background.

        Raises InvalidInput for views that a guide does not have.
        """
        index = self._index(views_B, samples_B)
        for guide in self._guides:
            guide.expect(index.views_B, index.samples_B)

    def _index(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> RowIndex:
        if self._closed:
            raise InvalidInput(
                "this GuideBank is closed",
                expected="a bank whose stores are open",
                found="a call after close(), or after the end of its `with` block",
                do="make another GuideBank, or close this one later",
            )
        return RowIndex(views_B, samples_B)

    def _select(self, keep_G: object) -> list[CachedGuide]:
        """Returns the guides that the mask keeps. Raises InvalidInput if it is not a mask of the guides."""
        try:
            mask_G = np.asarray(keep_G)
            fits = mask_G.dtype == np.bool_ and mask_G.shape == (len(self._guides),)
        except (TypeError, ValueError, RuntimeError):  # as in `integers`
            fits = False
        if not fits:
            raise InvalidInput(
                "the keep mask does not fit the guides",
                expected=f"True or False for each of {', '.join(self.names)}",
                found=describe_value(keep_G),
                do="give what Dropping.keep_mask returns for bank.names, or nothing to keep all",
            )
        return [guide for guide, keep in zip(self._guides, mask_G.tolist(), strict=True) if keep]

    def _rows_of(self, store: GuideStore, device: torch.device) -> Rows:
        columns_C = columns_of(store, self._renderer.images)
        encoding = encoding_at(store, self._temperature, columns_C)
        kind = ResidentRows if self._resident else StreamedRows
        rows: Rows = kind(store, device, encoding)
        return rows if columns_C is None else SelectedColumns(rows, columns_C, device)

    def _fits(self, keep_on_device: bool | None) -> bool:
        """Returns True if the rows are to stay on the device."""
        if keep_on_device is not None or self._device.type != "cuda":
            return bool(keep_on_device)
        needed = sum(map(resident_bytes, self._stores))
        return needed <= torch.cuda.mem_get_info(self._device)[0] // 2

    def close(self) -> None:
        """Unmaps the stores."""
        self._closed = True
        for store in self._stores:
            store.close()

    def __repr__(self) -> str:
        images = self._renderer.images
        views = f"{self._views.start} to {self._views.stop - 1}"
        size = f"{len(images)} samples, {len(images.classes)} classes"
        return f"<GuideBank of {', '.join(self.names)}: views {views}, {size}, on {self._device}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
