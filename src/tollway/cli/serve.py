"""`tollway serve`: start the gateway."""

import sys
from typing import Any

import click

from tollway.cli.office import UNREACHABLE, leave, read_settings, settings_of
from tollway.core.errors import TollwayError
from tollway.gateway import serve
from tollway.gateway.ledger.ledger import FolderInUse


@click.command("serve")
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: the system chooses. Default 8080.")
@click.pass_obj
def command(argv: dict[str, Any], host: str | None, port: int | None) -> None:
    """Start the gateway; Ctrl-C or SIGTERM finishes the calls in flight and stops it.

    SIGHUP takes up the channels of an edited tollway.toml without dropping a call.
    """
    argv = argv | {"host": host, "port": port}
    settings = settings_of(argv)
    try:
        sys.exit(serve.run(settings, lambda: read_settings(argv)))
    except TollwayError as error:
        leave(error.message, UNREACHABLE)
    except (FolderInUse, ValueError) as error:
        leave(str(error), UNREACHABLE)
    except OSError as error:
        leave(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", UNREACHABLE)
