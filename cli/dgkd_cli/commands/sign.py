"""`dgkd-cache sign`: signs a finished store with an SSH key."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_result
from dgkd_cli.stores import store_at
from dgkd_stores import sign_store, statement_of
from dgkd_stores.disk import expand_user

__all__ = ["sign"]


@click.command()
@click.argument("store", metavar="NAME|PATH", shell_complete=complete_stores)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private SSH key (Ed25519), or KEY.pub if an agent holds it.",
)
@click.option("--statement", is_flag=True, help="Print the line to be signed, and sign nothing.")
@json_option
@pass_app
def sign(app: App, store: str, key: Path | None, statement: bool, as_json: bool) -> None:
    """Sign a finished store with an SSH key.

    The signature lies beside the store, as STORE.sig. It says that the holder of the key stands for this seal, guide,
    data set and view plan. ssh-keygen asks for a passphrase where the key has one, and asks the agent for a KEY.pub.
    Where the key is on another machine, sign there what --statement prints, and put both parts beside the store.

    \b
    Examples:
      dgkd-cache sign ta1 --key ~/.ssh/id_ed25519
      dgkd-cache sign guides/ta1.zarr --statement > ta1.statement
      ssh-keygen -Y sign -n dgkd-seal@v1 -f KEY ta1.statement
      cat ta1.statement.sig ta1.statement > guides/ta1.zarr.sig
    """
    if statement == (key is not None):
        raise click.UsageError("give --key FILE to sign, or --statement to print what is to be signed")
    path = store_at(app, store)
    if key is None:
        click.echo(statement_of(path), nl=False)
        return
    signature = sign_store(path, expand_user(key))
    stated = json.loads(signature.read_bytes().splitlines()[-1])
    print_result(
        {"signature": str(signature), **stated},
        [("signature", str(signature)), ("seal", stated["seal"]), ("date", stated["date"])],
        as_json=as_json,
    )
