"""The arguments of GuideWriter, checked before anything is read, forwarded or written."""

from __future__ import annotations

from torch import nn

from dgkd_cache.datasets.images import Images
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.progress import check_reporting
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores.arguments import as_path, refusal, require_flags, require_kind

__all__ = ["check_run", "check_writer", "require_all_samples"]

_CALL = "GuideWriter"
_RUN = "GuideWriter.run"


def check_writer(
    path: object,
    model: object,
    forward: object,
    *,
    guide: object,
    train: object,
    test: object,
    views: object,
    settings: object,
) -> None:
    """Raises InvalidInput for the first argument that GuideWriter cannot use, and as `require_partners` for `train`."""
    as_path(_CALL, "path", path, expected="the path of the store to write")
    expected = "a torch.nn.Module, whose weights are the guide's identity"
    require_kind(
        _CALL, "model", model, nn.Module, expected=expected, do="give the network itself, and what calls it as forward"
    )
    if not callable(forward):
        expected = "a function of uint8 pixels (B, I, H, W) that returns logits (B, C)"
        raise refusal(_CALL, "forward", forward, expected=expected, do="write lambda pixels: model(pixels / 255)")
    do = f"write guide=dgkd_cache.Provenance(name={guide if isinstance(guide, str) else 'teacher'!r})"
    require_kind(_CALL, "guide", guide, Provenance, expected="the Provenance of the guide", do=do)
    for split, given in (("train", train), ("test", test)):
        do = f"write {split}=dgkd_cache.ViewRenderer(plan, data.{split})"
        require_kind(_CALL, split, given, ViewRenderer, expected=f"the ViewRenderer of the {split} images", do=do)
    _check_splits(train, test)
    assert isinstance(train, ViewRenderer)
    require_all_samples(train.images)
    train.require_partners()
    _check_views(views)
    do = "write settings=dgkd_cache.DumpSettings(temperature=4.0)"
    require_kind(_CALL, "settings", settings, DumpSettings, expected="DumpSettings", do=do)


def require_all_samples(images: Images) -> None:
    """Raises Mismatch for aligned images that lack samples of their guide: a store has rows of all."""
    if len(images.samples_N) < len(images):
        raise Mismatch(
            "a guide cannot be dumped on a part of the samples",
            expected=f"all {len(images)} samples of the guide that these images are aligned with",
            found=f"{len(images.samples_N)} of them",
            do="train only students here, or leave align out and dump every guide",
        )


def check_run(views: range, mine: object, take_over: object, progress: object, stop: object) -> None:
    """Raises InvalidInput for the first argument that GuideWriter.run cannot use; `views` are those of the store."""
    inside = isinstance(mine, range) and mine.step == 1 and views.start <= mine.start < mine.stop <= views.stop
    if mine is not None and not inside:
        raise refusal(_RUN, "mine", mine, expected=f"a part of {views}, a range itself, or None for all of it")
    require_flags(_RUN, take_over=take_over)
    check_reporting(_RUN, progress, stop)


def _check_splits(train: object, test: object) -> None:
    assert isinstance(train, ViewRenderer) and isinstance(test, ViewRenderer)
    if (train.images.split, test.images.split) == ("test", "train"):
        raise InvalidInput(
            f"{_CALL}: train and test are exchanged",
            expected="the training images as train and the test images as test",
            found=f"train of {train.images.name} (test) and test of {test.images.name} (train)",
            do="exchange the two renderers",
        )


def _check_views(views: object) -> None:
    do = f"write views=range({views})" if isinstance(views, int) and not isinstance(views, bool) and views > 0 else ""
    require_kind(_CALL, "views", views, range, expected="a range of view numbers", do=do)
    assert isinstance(views, range)
    if len(views) < 1 or views.step != 1 or views.start < 0:
        raise InvalidInput(
            "no views to write", expected="a range of at least one view, from 0 on, without gaps", found=str(views)
        )
