"""The page of defects names a test for each, and each setting has one: both are held to what is there."""

import ast
import re
import tomllib
from collections.abc import Iterator

import msgspec
from msgspec import StructMeta

from tests.house.survey import ROOT, sources
from tollway.settings import Settings

_ROW = re.compile(r"^\| *([\w., ]+?) *\|(.*)\|$")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
WANTED = {"13.2": {str(number) for number in range(1, 23)}, "8.8": {str(number) for number in range(1, 13)}}
RELAY_4 = {f"4.{number}" for number in range(1, 9)}


def rows() -> Iterator[tuple[str, str, str]]:
    """Title of the table, number and the rest of each row of the page."""
    title = ""
    for line in (ROOT / "docs/defects.md").read_text(encoding="utf-8").splitlines():
        title = line[3:] if line.startswith("## ") else title
        found = _ROW.match(line)
        if found and found[1] != "#":
            yield title, found[1], found[2]


def known() -> set[str]:
    """Every test of the repository as `path::name`."""
    return {
        f"{source.name}::{node.name}"
        for source in sources("tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_defect_names_tests_and_each_of_them_is_there() -> None:
    tests, wrong = known(), []
    for title, number, rest in rows():
        named = ["::".join(one) for one in _TEST.findall(rest)]
        wrong += [(title, number, one) for one in named or ["no test"] if one not in tests]
    assert not wrong


def test_no_defect_of_the_lists_is_missing_and_none_stands_there_twice() -> None:
    of_list = {name: [number for title, number, _ in rows() if title.endswith(f"{name})")] for name in (*WANTED, "4")}
    assert {name: set(of_list[name]) for name in WANTED} == WANTED
    assert {number.split()[0] for number in of_list["4"]} == RELAY_4
    assert all(len(numbers) == len(set(numbers)) for numbers in of_list.values())


def test_every_setting_has_a_test_of_what_it_changes() -> None:
    """Defect 18: a setting that is documented and does nothing."""
    stated = tomllib.loads((ROOT / "tests/house/settings.toml").read_text(encoding="utf-8"))
    tables = {one.name: one.type for one in msgspec.structs.fields(Settings) if isinstance(one.type, StructMeta)}
    fields = {f"{name}.{field.name}" for name, table in tables.items() for field in msgspec.structs.fields(table)}
    assert {f"{name}.{field}" for name, table in stated.items() for field in table} == fields
    tests = known()
    assert not [one for table in stated.values() for one in table.values() if one not in tests]
