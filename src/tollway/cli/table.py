"""Prints what a command found: aligned for people, JSON for scripts."""

import json
from collections.abc import Sequence
from typing import Any

import click

Row = dict[str, Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool, empty: str = "none") -> None:
    """A list of things. JSON holds every field, the table only `columns`."""
    if as_json:
        say_json(rows)
        return
    if not rows:
        click.echo(empty)
        return
    lines = [[name.upper().replace("_", " ") for name in columns]]
    lines += [[cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: Row, as_json: bool) -> None:
    """One thing, a field a line."""
    if as_json:
        say_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' ').ljust(width)}  {cell(value)}")


def say_json(value: Any) -> None:
    """JSON on the output, for scripts."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def cell(value: Any) -> str:
    """A value as a person reads it, on one line."""
    if value is None or value in ({}, [], ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(part) for part in value)
    return str(value)
