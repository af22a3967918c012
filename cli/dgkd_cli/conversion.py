"""The common part of `export` and `import`: converts a store with progress, and reports the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.decorators import FC

from dgkd_cache.progress import over_bytes
from dgkd_cli.app import App
from dgkd_cli.console import print_result
from dgkd_cli.humanize import size_text
from dgkd_stores import clean, codecs_for, convert

__all__ = ["codec_option", "convert_and_tell"]


def codec_option(*targets: str, help: str) -> Callable[[FC], FC]:
    """Adds `--codec`, with the codecs of a store of one of these names."""
    names = list(dict.fromkeys(name for target in targets for name in codecs_for(target)))
    return click.option("--codec", type=click.Choice(names), default=names[0], show_default=True, help=help)


def convert_and_tell(
    app: App, verb: str, source: Path, target: Path, *, codec: str, take_over: bool, as_json: bool
) -> None:
    """Converts `source` to `target` and reports the result."""
    with app.reporting() as progress:
        report = over_bytes(progress, f"{verb} {clean(source.name)}")
        converted = convert(source, target, codec=codec, take_over=take_over, report=report)
        progress.finish()
    if not converted.written:
        app.say(f"{target} is this very store already: nothing was done")
    print_result(
        {
            "source": str(source),
            "path": str(target),
            "container": converted.kind,
            "codec": converted.codec,
            "seal": converted.seal,
            "bytes": converted.nbytes,
            "written": converted.written,
        },
        [
            ("store", str(target)),
            ("from", str(source)),
            ("container", f"{converted.kind}, codec {converted.codec}"),
            ("seal", converted.seal),
            ("size", size_text(converted.nbytes)),
        ],
        as_json=as_json,
    )
