"""The arguments of GuideWriter, checked before anything is read, forwarded or written."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import as_path, codec_named, encoding_named, refused, require_integer, require_kind, require_number

__all__ = ["check_run", "check_writer"]

_CALL = "GuideWriter"
_REPORTS = ("start", "advance", "finish", "say")


def check_writer(
    *,
    path: object,
    model: object,
    forward: object,
    name: object,
    train: object,
    test: object,
    views: object,
    mine: object,
    temperature: object,
    encoding: object,
    codec: object,
    batch_size: object,
    precision: object,
    workers: object,
    take_over: object,
    architecture: object,
    training: object,
    guides: object,
    licence: object,
    accept_probabilities: object,
) -> None:
    """Raises InvalidInput for the first argument that GuideWriter cannot use; the header checks the rest of a text."""
    as_path(_CALL, "path", path, expected="the path of the store to write")
    expected = "a torch.nn.Module, whose weights are the guide's identity"
    require_kind(
        _CALL, "model", model, nn.Module, expected=expected, do="give the network itself, and what calls it as forward"
    )
    if not callable(forward):
        expected = "a function of uint8 pixels (B, I, H, W) that returns logits (B, C)"
        raise refused(_CALL, "forward", forward, expected=expected, do="write lambda pixels: model(pixels / 255)")
    require_kind(_CALL, "name", name, str, expected="the guide's name, 1 to 64 of a-z, 0-9, _ and -")
    for split, given in (("train", train), ("test", test)):
        do = f"write {split}=dgkd_cache.ViewRenderer(plan, data.{split})"
        require_kind(_CALL, split, given, ViewRenderer, expected=f"the ViewRenderer of the {split} images", do=do)
    _check_views(views, mine)
    require_number(_CALL, "temperature", temperature, low=0)
    texts = {
        "encoding": encoding,
        "codec": codec,
        "precision": precision,
        "architecture": architecture,
        "licence": licence,
    }
    for key, text in texts.items():
        require_kind(_CALL, key, text, str, expected="text")
    encoding_named(str(encoding))
    codec_named(str(codec))
    if precision not in ("float32", "bf16"):
        raise refused(_CALL, "precision", precision, expected="float32 or bf16")
    require_integer(_CALL, "batch_size", batch_size, low=1)
    require_integer(_CALL, "workers", workers, low=0)
    for key, table in {"training": training, "guides": guides}.items():
        require_kind(_CALL, key, table, (Mapping, type(None)), expected="a mapping of texts to values, or None")
    for key, switch in {"take_over": take_over, "accept_probabilities": accept_probabilities}.items():
        require_kind(_CALL, key, switch, bool, expected="True or False")


def check_run(call: str, progress: object, stop: object) -> None:
    """Raises InvalidInput for what cannot report on work, or cannot be asked whether to stop it."""
    reports = not isinstance(progress, type) and all(callable(getattr(progress, name, None)) for name in _REPORTS)
    if progress is not None and not reports:
        expected = f"an object with the methods {', '.join(_REPORTS)} (dgkd_cache.progress.Progress), or None"
        raise refused(call, "progress", progress, expected=expected, do="leave it out to report nothing")
    if not callable(stop):
        expected = "a function without arguments that returns True to stop"
        raise refused(call, "stop", stop, expected=expected, do="write stop=lambda: False")


def _check_views(views: object, mine: object) -> None:
    do = f"write views=range({views})" if isinstance(views, int) and not isinstance(views, bool) and views > 0 else ""
    require_kind(_CALL, "views", views, range, expected="a range of view numbers", do=do)
    assert isinstance(views, range)
    if len(views) < 1 or views.step != 1 or views.start < 0:
        raise InvalidInput(
            "no views to write", expected="a range of at least one view, from 0 on, without gaps", found=str(views)
        )
    inside = isinstance(mine, range) and mine.step == 1 and views.start <= mine.start < mine.stop <= views.stop
    if mine is not None and not inside:
        raise refused(_CALL, "mine", mine, expected=f"a part of {views}, a range itself, or None for all of it")
