"""`tollway models`: list the models on sale."""

from typing import Any

import click

from tollway.cli.channels import every_channel, stored_in
from tollway.cli.office import Office, has_database, run, settings_of
from tollway.cli.prices import listed, shelf_of
from tollway.cli.table import json_option, show
from tollway.core.model import Channel
from tollway.gateway.admin.models import hub_model
from tollway.gateway.catalog import Catalog
from tollway.gateway.routing.router import Router
from tollway.gateway.stock import all_channels, known_providers

COLUMNS = ("id", "name", "provider", "category", "context_window", "cost_per_1k_input", "cost_per_1k_output", "served")


@click.command("models")
@json_option
@click.pass_obj
def command(argv: dict[str, Any], as_json: bool) -> None:
    """List the models on sale, with their prices in credits per 1,000 tokens and whether a channel serves them."""
    settings, providers = settings_of(argv), known_providers()

    async def work(office: Office) -> tuple[Catalog, list[Channel]]:
        return (await shelf_of(office).everything())[0], (await every_channel(settings, stored_in(office)))[0]

    kept = has_database(settings)
    catalog, channels = run(argv, work) if kept else (listed(settings), all_channels(settings, providers))
    router = Router(catalog.models, channels, providers)
    rows = [hub_model(model) | {"served": router.serves(model.id)} for model in catalog]
    show(rows, COLUMNS, as_json, "no models")
