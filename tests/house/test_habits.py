"""Habits that no linter knows."""

import ast
from pathlib import PurePosixPath

from tests.house.survey import ROOT, SRC, Source, sources, tracked

BANNED_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "base", "service", "handler", "transformation"}
ENVIRONMENT_READER = "src/tollway/settings/reading.py"
BROAD_EXCEPTS = {
    "src/tollway/gateway/ledger/booking.py:_written",  # one call that cannot be written must not stop all books
    "src/tollway/gateway/http.py:Front.handle",  # the boundary: a mistake of ours becomes an answer
    "src/tollway/gateway/worker.py:_try",  # one failed round must not end a loop that serves every call
    "src/tollway/kit/http1/incoming.py:Incoming.take",  # a callback's error goes to whoever awaits the body
}
"""The only functions that may catch everything without passing it on."""
LOCAL_IMPORTS = {
    "src/tollway/gateway/serve.py:_listen_asgi",  # only the other front needs it
    "src/tollway/gateway/serve.py:_loop_factory",  # uvloop may be missing
}
"""The only functions that may import inside."""
PLUGINS = (
    *("backends", "cli", "gateway/surfaces", "gateway/providers", "gateway/dialects", "gateway/routing/strategies"),
    "data/migrations",
)
"""Rooms whose modules are found by walking or by name, not by an import."""
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "root", "home")]
REGISTRIES = [name + ".org" for name in ("pypi", "files.pythonhosted", "registry.npmjs", "npmjs")]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]


def product() -> tuple[Source, ...]:
    return sources("src")


def test_every_module_opens_with_one_sentence_saying_its_job() -> None:
    docs = {source.name: (ast.get_docstring(source.tree) or "").split("\n\n")[0] for source in sources("src", "bench")}
    assert not [name for name, doc in docs.items() if not doc.rstrip().endswith((".", ":", "?"))]


def test_no_file_has_a_name_that_means_nothing() -> None:
    python = [PurePosixPath(name) for name in tracked() if name.endswith(".py")]
    assert not [str(path) for path in python if {path.stem, *path.parts[:-1]} & BANNED_NAMES]


def test_one_file_reads_the_environment() -> None:
    readers = [source.name for source in product() if _reads_environment(source.tree)]
    assert set(readers) <= {ENVIRONMENT_READER}


def _reads_environment(tree: ast.Module) -> bool:
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    words |= {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    return bool(words & {"environ", "getenv", "environb"})


def test_catching_everything_is_rare_and_named() -> None:
    broad = {
        name
        for source in product()
        for name, function in source.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    }
    assert broad == BROAD_EXCEPTS


def _is_broad(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # it tidies up and passes the error on
    caught = handler.type
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def test_imports_stand_at_the_top() -> None:
    inside = {
        name
        for source in product()
        for name, function in source.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert inside == LOCAL_IMPORTS


def test_no_function_changes_module_state() -> None:
    assert not [
        source.name for source in product() if any(isinstance(node, ast.Global) for node in ast.walk(source.tree))
    ]


def test_nothing_is_left_unfinished() -> None:
    assert not [(source.name, word) for source in sources("src", "bench") for word in UNFINISHED if word in source.text]


def test_no_file_knows_this_machine_or_a_registry() -> None:
    found = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        text = data.decode("utf-8", "ignore") if b"\0" not in data[:1000] else ""
        found += [(name, word) for word in MACHINE_PATHS + REGISTRIES if word in text]
    assert not found


def test_no_file_is_dead() -> None:
    known = {_module(source.name): source.name for source in product()}
    imported = {name for source in sources("src", "bench") for name in _imports(source)}
    lost = [path for module, path in known.items() if module not in imported and not _entered_elsewhere(path)]
    assert not lost


def _module(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(source: Source) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tollway."):
            found.add(node.value.partition(":")[0])  # loaded by name when it is needed
    return found


def _entered_elsewhere(path: str) -> bool:
    inside = path.removeprefix("src/tollway/")
    return path.endswith(("__init__.py", "__main__.py")) or inside.startswith(tuple(f"{room}/" for room in PLUGINS))


def test_no_room_is_empty() -> None:
    rooms = [folder for folder in SRC.rglob("*") if folder.is_dir() and folder.name != "__pycache__"]
    assert not [str(room) for room in rooms if (room / "__init__.py").exists() and len(list(room.glob("*"))) < 2]
