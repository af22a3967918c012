"""`dgkd-cache pull`: gets another lab's store and proves it."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.console import print_result
from dgkd_cli.humanize import files_text
from dgkd_cli.signature_check import key_options, signed_text, trusted_by_options
from dgkd_cli.transfer import dry_run_option, jobs_option, transferring
from dgkd_cli.view_range import view_range
from dgkd_stores import clean, describe_signature, pull as pull_store
from dgkd_stores.disk import expand_user

__all__ = ["pull"]


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="[DEST]", required=False, type=click.Path(path_type=Path))
@click.option("--views", metavar="A:B", callback=view_range, help="Only views A to B - 1, as a new sealed store.")
@click.option("--seal", metavar="HEX", help="The seal that the published store must have: any other is refused.")
@key_options
@dry_run_option
@jobs_option
@take_over_option
@json_option
@pass_app
def pull(
    app: App,
    source: str,
    destination: Path | None,
    views: range | None,
    seal: str | None,
    keys: tuple[str, ...],
    allowed_signers: Path | None,
    signer: str,
    dry_run: bool,
    jobs: int,
    take_over: bool,
    as_json: bool,
) -> None:
    """Get a published store, and prove all of it.

    SRC is the address of a store, which ends in .zarr or .h5, or of the place that holds one: a folder, or an address
    of s3://, gs://, az://, http:// or https:// (extra `share`), or hf:// (extra `hf`). A plain web server cannot list,
    so there the address of the store is needed. DEST is a folder, or the path of the store; default: guides/ of the
    workspace, else the current folder.

    The header and the seal come first, and an unsafe or unfinished store is refused before its rows are fetched. Every
    chunk is held to its digests as soon as it is there, and one that is wrong is fetched again. The store gets its name
    when it is whole and proven, as by `verify --full`. An interrupted pull goes on where it stopped. Pulled over a
    damaged copy, only what is wrong is fetched.

    With --key or --allowed-signers, or with keys in [sharing] of the workspace, one of them must have signed the store;
    else the exit code is 13, before any row is fetched.

    With --views the store is called NAME-A-B.zarr. NAME-A-B.zarr.origin beside it has root and digests of the published
    one, against whose seal `verify` proves every row.

    \b
    Examples:
      dgkd-cache pull /media/disk/ta1
      dgkd-cache pull s3://lab-guides/cifar100/ta1 --dry-run
      dgkd-cache pull s3://lab-guides/cifar100/ta1 --views 0:40
      dgkd-cache pull https://lab.example/ta1/ta1.zarr --key lab.pub
    """
    where = expand_user(destination) if destination else _default(app)
    trusted = trusted_by_options(keys, allowed_signers, signer)
    if trusted is None and app.has_workspace:
        trusted = app.workspace().trusted_keys()
    with transferring(app, f"pull {clean(source.rstrip('/').rpartition('/')[2])}") as (report, stop):
        pulled = pull_store(
            source,
            where,
            seal=seal,
            trusted=trusted,
            views=views,
            jobs=jobs,
            dry_run=dry_run,
            take_over=take_over,
            report=report,
            stop=stop,
        )
    if pulled.was_there and not (dry_run or pulled.fetched_files):
        app.say(f"{pulled.path} is this very store already: nothing was fetched")
    elif not (dry_run or pulled.fetched_files):
        app.say(f"{pulled.path}: only metadata was damaged, and it is mended")
    state = "whole, there already" if pulled.was_there else "not yet"
    unknown = "not known before the download: the server has no Range"
    fetched = files_text(pulled.fetched_bytes, pulled.fetched_files)
    lines = [
        ("store", f"{pulled.path}: {state}" if dry_run else str(pulled.path)),
        ("from", pulled.address),
        ("guide", clean(pulled.guide or unknown)),
        ("seal", pulled.seal or unknown),
        ("size", files_text(pulled.nbytes, pulled.files)),
        ("to fetch" if dry_run else "fetched", fetched),
    ]
    if pulled.signature is not None:
        open_end = "" if pulled.seal else "; whether it is of this store, only the download tells"
        lines.append(("signature", signed_text(pulled.signature) + open_end))
    elif pulled.verification is not None:
        lines.append(("signature", describe_signature(pulled.verification)))
    if not dry_run:
        lines.append(("verdict", "whole, every row checked"))
    if pulled.verification is not None and pulled.verification.origin_seal is not None:
        lines.append(("origin", f"every row is one of the published seal {pulled.verification.origin_seal}"))
    print_result(pulled.to_dict(), lines, as_json=as_json)


def _default(app: App) -> Path:
    return app.folder / "guides" if app.has_workspace else Path(".")
