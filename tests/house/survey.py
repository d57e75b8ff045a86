"""Measures the source: files, functions, nesting, names and imports."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "tollway"
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file, parsed."""

    name: str
    """Path from the repository's root, with `/`."""
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function with its name as `file:Class.method`."""
        yield from _functions(self.tree, self.name + ":")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            yield prefix + child.name, child
            yield from _functions(child, prefix + child.name + ".")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, prefix + child.name + ".")
        else:
            yield from _functions(child, prefix)


@cache
def tracked() -> tuple[str, ...]:
    """Files that belong to the repository, also those not added yet; without git, those of a plain copy."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        inside = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        names = [path.as_posix() for path in inside if not any(part.startswith(".venv") for part in path.parts)]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Python files below these folders of the repository."""
    names = [name for name in tracked() if name.endswith(".py") and name.startswith(tuple(f"{f}/" for f in folders))]
    texts = [(name, (ROOT / name).read_text(encoding="utf-8")) for name in names]
    return tuple(Source(name, text, ast.parse(text)) for name, text in texts)


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    doc = function.body[0] if ast.get_docstring(function) else None
    quiet = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
    return (function.end_lineno or 0) - function.lineno + 1 - quiet


def parameters(function: Function) -> int:
    """Parameters, `self` and `cls` not counted."""
    given = function.args
    names = [arg.arg for arg in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
    return len([name for name in names if name not in ("self", "cls")])


def nesting(function: Function) -> int:
    """How deep its blocks lie in each other; `elif` adds nothing, an inner function counts for itself."""
    return max((_depth(statement, 0) for statement in function.body), default=0)


def _depth(node: ast.AST, above: int) -> int:
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
        return above
    here = above + isinstance(node, _BLOCKS)
    deepest = here
    for name, value in ast.iter_fields(node):
        children = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        chained = (
            name == "orelse" and isinstance(node, ast.If) and len(children) == 1 and isinstance(children[0], ast.If)
        )
        deepest = max([deepest, *(_depth(child, above if chained else here) for child in children)])
    return deepest
