"""`dgkd-cache push`: publishes a store for other labs."""

from __future__ import annotations

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_result
from dgkd_cli.humanize import files_text
from dgkd_cli.stores import store_at
from dgkd_cli.transfer import dry_run_option, jobs_option, transferring
from dgkd_stores import clean, push as push_store

__all__ = ["push"]


@click.command()
@click.argument("store", metavar="STORE", shell_complete=complete_stores)
@click.argument("destination", metavar="DEST")
@click.option("--data-licence", default="", metavar="TEXT", help="The licence of the images, for the card.")
@dry_run_option
@jobs_option
@take_over_option
@json_option
@pass_app
def push(
    app: App,
    store: str,
    destination: str,
    data_licence: str,
    dry_run: bool,
    jobs: int,
    take_over: bool,
    as_json: bool,
) -> None:
    """Publish a finished store, for other labs to pull.

    STORE is a name or a path. DEST is a folder, or an address of s3://, gs:// or az:// (extra `share`), or
    hf://OWNER/REPOSITORY, a data set repository of the Hugging Face Hub (extra `hf`).
    It holds one guide, as DEST/NAME.zarr or DEST/NAME.h5; an address that ends in such a name is that of the store.

    Beside the store come its signature, if it has one (`dgkd-cache sign`), and its card: README.md and croissant.json.

    Every row is checked before it is sent. The root, with the seal, comes last: until then nobody takes what lies there
    for a store. What lies there with other content is never replaced (exit code 13), but for an earlier signature and
    card. Run again, a push sends only what is missing, and compares the rest. Credentials come from the environment and
    from profiles, never from DEST.

    \b
    Examples:
      dgkd-cache push ta1 /srv/www/guides/ta1
      dgkd-cache push ta1 s3://lab-guides/cifar100/ta1 --dry-run
      dgkd-cache push guides/ta1.zarr s3://lab-guides/cifar100/ta1
    """
    path = store_at(app, store)
    with transferring(app, f"push {clean(path.name)}") as (report, stop):
        pushed = push_store(
            path,
            destination,
            jobs=jobs,
            data_licence=data_licence,
            dry_run=dry_run,
            take_over=take_over,
            report=report,
            stop=stop,
        )
    if pushed.conditional is False:
        app.say(
            f"Warning: {pushed.address} replaces objects that a create-only request names: nothing keeps two pushes at "
            "once from mixing there, and whoever pulls then sees it by the seal"
        )
    beside = ", ".join(pushed.sent_beside)
    if not dry_run and not pushed.sent_files:
        what = f"only {beside} came anew" if beside else "nothing was sent"
        app.say(f"{pushed.address} is this very store already: {what}")
    word = "to send" if dry_run else "sent"
    sent = files_text(pushed.sent_bytes, pushed.sent_files)
    print_result(
        pushed.to_dict(),
        [
            ("store", pushed.address),
            ("from", str(path)),
            ("seal", pushed.seal),
            ("size", files_text(pushed.nbytes, pushed.files)),
            (word, f"{sent}, and {beside}" if beside else sent),
            ("beside", ", ".join(pushed.beside)),
        ],
        as_json=as_json,
    )
