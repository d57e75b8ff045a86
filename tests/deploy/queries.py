"""Every query of the rules and dashboards in deploy/, and the metrics and labels they name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = (*sorted((DEPLOY / "prometheus/rules").glob("*.yml")), DEPLOY / "prometheus/probe.rules.yml")
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
_TEXT = re.compile(r'"[^"]*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_LISTS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_LABEL = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_WORD = re.compile(r"(?<![\w.$])([a-zA-Z_:][\w:]*)(?!\w*\s*\()")
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"})


class Query(NamedTuple):
    """One expression, and where it stands."""

    where: str
    text: str

    @property
    def metrics(self) -> set[str]:
        """The metrics it names."""
        bare = _LISTS.sub(" ", _RANGE.sub(" ", re.sub(r"\{[^}]*\}", " ", _TEXT.sub('""', self.text))))
        return set(_WORD.findall(bare)) - _OPERATORS

    @property
    def selected(self) -> Iterator[tuple[str, str]]:
        """(metric, label) of every condition in braces."""
        for metric, conditions in _SELECTOR.findall(_TEXT.sub('""', self.text)):
            for label in _LABEL.findall(conditions):
                yield metric, label


def rules() -> Iterator[dict[str, Any]]:
    """Every rule, alerts and recorded ones."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def dashboards() -> Iterator[tuple[Path, Any]]:
    """Every dashboard."""
    for path in DASHBOARDS:
        yield path, json.loads(path.read_text())


def queries() -> Iterator[Query]:
    """All of them."""
    for rule in rules():
        yield Query(rule.get("alert") or rule["record"], rule["expr"])
    for path, board in dashboards():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield Query(f"{path.name}: {panel['title']}", target["expr"])
        for variable in board["templating"]["list"]:
            asked = variable["query"]
            if isinstance(asked, dict):
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", asked["query"])
                assert found is not None, asked
                yield Query(f"{path.name}: ${variable['name']}", f'{found[1]}{{{found[2]}=""}}')


def filled(query: str) -> str:
    """As Grafana would ask it, everything chosen."""
    return re.sub(r"\$(instance|model|provider)\b", ".*", query.replace("$__rate_interval", "1m"))
