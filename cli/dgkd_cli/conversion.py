"""The common part of the commands that write a store from others: their options, progress, and the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
from click.decorators import FC

from dgkd_cache.progress import counted
from dgkd_cli.app import App
from dgkd_cli.console import print_result
from dgkd_cli.humanize import size_text
from dgkd_stores import Converted, clean, codecs_for, convert

__all__ = ["codec_option", "convert_and_tell", "output_option", "write_and_tell"]

Report = Callable[[int, int], None]


def codec_option(*targets: str, help: str) -> Callable[[FC], FC]:
    """Adds `--codec`, with the codecs of a store of one of these names."""
    names = list(dict.fromkeys(name for target in targets for name in codecs_for(target)))
    return click.option("--codec", type=click.Choice(names), default=names[0], show_default=True, help=help)


def output_option(function: FC) -> FC:
    """Adds `-o`, the new store."""
    return click.option(
        *("-o", "--output", "target"),
        required=True,
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The new store: .zarr for a folder, .h5 for an HDF5 file.",
    )(function)


def convert_and_tell(
    app: App, verb: str, source: Path, target: Path, *, codec: str, take_over: bool, as_json: bool
) -> None:
    """Converts `source` to `target` and reports the result."""

    def write(report: Report) -> Converted:
        return convert(source, target, codec=codec, take_over=take_over, report=report)

    write_and_tell(app, verb, [source], target, write, as_json=as_json)


def write_and_tell(
    app: App,
    verb: str,
    sources: Sequence[Path],
    target: Path,
    write: Callable[[Report], Converted],
    *,
    as_json: bool,
) -> None:
    """Writes `target` from `sources` by `write`, with progress, and reports the result."""
    names = ", ".join(clean(source.name) for source in sources)
    with app.reporting() as progress:
        converted = write(counted(progress, f"{verb} {names}"))
        progress.finish()
    if not converted.written:
        app.say(f"{target} is this very store already: nothing was done")
    print_result(
        {
            **({"source": str(sources[0])} if len(sources) == 1 else {"sources": list(map(str, sources))}),
            "path": str(target),
            "container": converted.kind,
            "codec": converted.codec,
            "seal": converted.seal,
            "bytes": converted.nbytes,
            "written": converted.written,
        },
        [
            ("store", str(target)),
            ("from", ", ".join(map(str, sources))),
            ("container", f"{converted.kind}, codec {converted.codec}"),
            ("seal", converted.seal),
            ("size", size_text(converted.nbytes)),
        ],
        as_json=as_json,
    )
