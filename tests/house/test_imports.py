"""The import graph has no cycle, and no long chain."""

from functools import cache

import grimp

LONGEST_CHAIN = 15
"""Imports from the first module to the last."""


@cache
def graph() -> dict[str, set[str]]:
    built = grimp.build_graph("tollway", exclude_type_checking_imports=True)
    return {module: built.find_modules_directly_imported_by(module) for module in built.modules}


def test_no_module_reaches_itself_and_no_chain_is_long() -> None:
    depth: dict[str, int] = {}

    def walk(module: str, above: tuple[str, ...]) -> int:
        assert module not in above, " -> ".join([*above, module])
        if module not in depth:
            depth[module] = max((1 + walk(below, (*above, module)) for below in graph()[module]), default=0)
        return depth[module]

    assert max(walk(module, ()) for module in graph()) <= LONGEST_CHAIN
