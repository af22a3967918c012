"""The arguments of GuideWriter, checked before anything is read, forwarded or written."""

from __future__ import annotations

from torch import nn

from dgkd_cache.datasets.images import Images
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.progress import check_reporting
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores.arguments import as_path, refusal, require_flags, require_integer, require_kind

__all__ = ["check_draw", "check_logits_writer", "check_repair", "check_run", "check_writer", "require_all_samples"]

_CALL = "GuideWriter"
_LOGITS = "GuideWriter.from_logits"
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
    _check_guide(_CALL, guide)
    _check_renderer(_CALL, "train", train)
    _check_renderer(_CALL, "test", test)
    _check_images(_CALL, train, test)
    _check_views(_CALL, views)
    _check_settings(_CALL, settings)


def check_draw(draw: object) -> None:
    """Raises InvalidInput unless `draw` is the number of a draw, or None."""
    if draw is not None:
        require_integer(_CALL, "draw", draw, low=0, high=2**32 - 1)


def check_logits_writer(
    *,
    path: object,
    logits: object,
    iterator: object,
    guide: object,
    train: object,
    test: object,
    test_logits: object,
    views: object,
    settings: object,
) -> None:
    """Raises InvalidInput for the first argument that GuideWriter.from_logits cannot use, and as `check_writer`."""
    as_path(_LOGITS, "path", path, expected="the path of the store to write")
    if (logits is None) == (iterator is None):
        raise InvalidInput(
            f"{_LOGITS}: the logits are given {'not at all' if logits is None else 'in two ways'}",
            expected="one of logits, a function of (view, samples_B), and iterator, a function of the first block",
            found="neither" if logits is None else "both",
            do="leave one of them out" if logits is not None else "give logits=lambda view, samples_B: rows[samples_B]",
        )
    for name, function, expected in (
        ("logits", logits, "a function of (view, samples_B) that returns logits (B, C)"),
        ("iterator", iterator, "a function of the block to begin with that returns an iterator over logits (B, C)"),
        ("test_logits", test_logits, "a function of (samples_B) that returns logits (B, C) of test images"),
    ):
        if function is not None and not callable(function):
            do = "give a function, such as lambda view, samples_B: rows[samples_B] for an array of rows"
            raise refusal(_LOGITS, name, function, expected=expected, do=do)
    _check_guide(_LOGITS, guide)
    _check_renderer(_LOGITS, "train", train)
    if test is not None:
        _check_renderer(_LOGITS, "test", test)
    if (test is None) != (test_logits is None):
        raise InvalidInput(
            f"{_LOGITS}: the test set is given by half",
            expected="test, its ViewRenderer, together with test_logits, a function of its samples",
            found=f"{'test_logits' if test is None else 'test'} alone",
            do="give both, or neither: then the store has no test set and no accuracy",
        )
    _check_images(_LOGITS, train, test)
    _check_views(_LOGITS, views)
    _check_settings(_LOGITS, settings)
    assert isinstance(settings, DumpSettings)
    _check_of_model(settings)


def require_all_samples(images: Images) -> None:
    """Raises Mismatch for aligned images that lack samples of their guide: a store has rows of all."""
    if len(images.samples_N) < len(images):
        raise Mismatch(
            "a guide cannot be dumped on a part of the samples",
            expected=f"all {len(images)} samples of the guide that these images are aligned with",
            found=f"{len(images.samples_N)} of them",
            do="train only students here, or leave align out and dump every guide",
        )


def check_repair(take_over: object, progress: object, stop: object) -> None:
    """Raises InvalidInput for the first argument that GuideWriter.repair cannot use."""
    require_flags("GuideWriter.repair", take_over=take_over)
    check_reporting("GuideWriter.repair", progress, stop)


def check_run(views: range, mine: object, take_over: object, progress: object, stop: object) -> None:
    """Raises InvalidInput for the first argument that GuideWriter.run cannot use; `views` are those of the store."""
    inside = isinstance(mine, range) and mine.step == 1 and views.start <= mine.start < mine.stop <= views.stop
    if mine is not None and not inside:
        raise refusal(_RUN, "mine", mine, expected=f"a part of {views}, a range itself, or None for all of it")
    require_flags(_RUN, take_over=take_over)
    check_reporting(_RUN, progress, stop)


def _check_guide(call: str, guide: object) -> None:
    do = f"write guide=dgkd_cache.Provenance(name={guide if isinstance(guide, str) else 'teacher'!r})"
    require_kind(call, "guide", guide, Provenance, expected="the Provenance of the guide", do=do)


def _check_renderer(call: str, split: str, given: object) -> None:
    do = f"write {split}=dgkd_cache.ViewRenderer(plan, data.{split})"
    require_kind(call, split, given, ViewRenderer, expected=f"the ViewRenderer of the {split} images", do=do)


def _check_settings(call: str, settings: object) -> None:
    do = "write settings=dgkd_cache.DumpSettings(temperature=4.0)"
    require_kind(call, "settings", settings, DumpSettings, expected="DumpSettings", do=do)


def _check_of_model(settings: DumpSettings) -> None:
    """Raises InvalidInput for a setting that only a model has."""
    if settings.encoding == "factored":
        raise InvalidInput(
            f"{_LOGITS}: the encoding factored needs a model",
            expected="an encoding that holds any logits: float16, float32, uint8 or topk",
            found="factored, whose rows are coefficients of a model's last linear layer",
            do="leave settings.encoding out, or write the guide with GuideWriter(path, model, forward, ...)",
        )
    defaults = DumpSettings()
    for name in ("precision", "workers"):
        if getattr(settings, name) != getattr(defaults, name):
            raise InvalidInput(
                f"{_LOGITS}: the setting {name} says how a model is run",
                expected=f"{name}={getattr(defaults, name)!r}, which is the default",
                found=f"{name}={getattr(settings, name)!r}",
                do="leave it out; how the logits were computed belongs into the identity",
            )


def _check_images(call: str, train: object, test: object) -> None:
    assert isinstance(train, ViewRenderer) and isinstance(test, ViewRenderer | None)
    require_all_samples(train.images)
    train.require_partners()
    if test is not None and (train.images.split, test.images.split) == ("test", "train"):
        raise InvalidInput(
            f"{call}: train and test are exchanged",
            expected="the training images as train and the test images as test",
            found=f"train of {train.images.name} (test) and test of {test.images.name} (train)",
            do="exchange the two renderers",
        )


def _check_views(call: str, views: object) -> None:
    do = f"write views=range({views})" if isinstance(views, int) and not isinstance(views, bool) and views > 0 else ""
    require_kind(call, "views", views, range, expected="a range of view numbers", do=do)
    assert isinstance(views, range)
    if len(views) < 1 or views.step != 1 or views.start < 0:
        raise InvalidInput(
            "no views to write", expected="a range of at least one view, from 0 on, without gaps", found=str(views)
        )
