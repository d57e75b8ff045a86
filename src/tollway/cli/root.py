"""The command `tollway` itself, and the options that all its commands share."""

import importlib
from pathlib import Path
from typing import Any

import click

from tollway import __version__

COMMANDS = {
    "serve": "Start the gateway.",
    "doctor": "Say what is configured, reachable, priced and wrong.",
    "users": "Make, show, change and credit users.",
    "keys": "Make, list, change and revoke API keys.",
    "organisations": "Make organisations, fill them, bound what they spend.",
    "channels": "Make, show, change, test and remove channels.",
    "import": "Take channels over from LiteLLM, new-api or one-api.",
    "vault": "The keys under which secrets are sealed.",
    "groups": "Make, change and show groups of users and channels.",
    "plans": "List the plans on offer.",
    "vouchers": "Make, list and disable vouchers.",
    "models": "List the models on sale.",
    "route": "Show how calls find their channel.",
    "prices": "Show, propose and activate prices.",
    "accounts": "List, import, disable and enable subscription accounts.",
    "ledger": "Look into the books.",
    "receipts": "Show what a call cost, and why.",
    "migrate": "Bring the database's schema forward, or move all data to another database.",
}
"""Every command, in the order of `--help`: the module of that name holds it as `command`."""

STOPPED = 130
"""What a process leaves with that was stopped by Ctrl-C."""
_MODULES = {"import": "imports"}
"""Commands whose names no module can have."""


class Lazy(click.Group):
    """Loads a command's module when the command is used, so that none pays for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = _MODULES.get(cmd_name, cmd_name)
        command: click.Command = importlib.import_module(f"tollway.cli.{module}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("tollway: stopped", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="tollway")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the database, the journal and the keys.")
@click.option("--database-url", help="sqlite:// or postgresql://; default: SQLite in the data folder.")
@click.option("--config", type=click.Path(path_type=Path), help="The operator's tollway.toml.")
@click.pass_context
def root(ctx: click.Context, data_dir: Path | None, database_url: str | None, config: Path | None) -> None:
    """One gateway to every model, one exact account for every credit.

    Exit codes: 0 all is well, 1 what was asked about is wrong, 2 wrong usage or settings, 3 not found,
    4 something cannot be reached or opened, 130 stopped by Ctrl-C.
    """
    ctx.obj = {"data_dir": data_dir, "database_url": database_url, "config": config}
