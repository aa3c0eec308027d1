"""What an import of kairos brings with it, and which module of the core may know which."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kairos

FOLDER = Path(kairos.__file__).parent
# From the bottom to the top: a module knows only what stands in the lines above its own.
LAYERS = [
    {"_legacy", "errors", "flows", "urls"},
    {"values"},
    {"steps", "timestamps"},
    {"plans"},
    {"backend", "hookspecs"},
    {"kinds", "plugins"},
    {"aggregates"},
    {"config", "grouping", "pipeline"},
    {"memory", "registry"},
    {"installed", "planning"},
    {"opening", "operations"},
    {"verbs"},
    {"timeseries"},
    {"__init__", "__main__"},
]
DRIVERS = {
    *("redis", "valkey", "pymongo", "bson", "sqlalchemy", "sqlite3", "aiosqlite", "cassandra", "psycopg", "asyncpg"),
    *("numpy", "pandas", "gevent", "hypothesis", "pytest", "kairos_sql", "kairos_redis", "kairos_conformance"),
}


def imports(module):
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "kairos":
                found.update(f"kairos.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name.removeprefix("kairos.") for name in found if name.startswith("kairos.")}


def test_every_module_has_its_layer():
    assert {file.stem for file in FOLDER.glob("*.py")} == set().union(*LAYERS)


@pytest.mark.parametrize("level", range(len(LAYERS)))
def test_a_module_knows_only_the_layers_below(level):
    below = set().union(*LAYERS[:level])
    for module in sorted(LAYERS[level]):
        assert imports(module) <= below, module


def run(code):
    # A coverage measurement that follows into new processes would bring modules of its own.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return set(done.stdout.split())


def test_importing_kairos_imports_no_driver_and_no_backend():
    loaded = run("import sys, kairos; print(*sys.modules)")
    assert "kairos.timeseries" in loaded
    assert {name.partition(".")[0] for name in loaded} & DRIVERS == set()
    assert "kairos.memory" not in loaded


def test_using_the_memory_backend_imports_no_driver():
    loaded = run(
        "import sys, kairos; t = kairos.Timeseries('memory://', intervals={'m': {'step': 60}});"
        "t.insert('a', 1); assert t.list() == ['a']; print(*sys.modules)"
    )
    assert "kairos.memory" in loaded
    assert {name.partition(".")[0] for name in loaded} & DRIVERS == set()


def test_the_public_names_are_sorted_and_there():
    assert kairos.__all__ == sorted(kairos.__all__)
    for name in kairos.__all__:
        assert getattr(kairos, name).__doc__
    assert {"AsyncTimeseries", "Timeseries", "hookimpl", "Written", "KairosError"} <= set(kairos.__all__)
