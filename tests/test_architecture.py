"""Imports go down only, go round in no circle, and bring in torch only where torch is meant to be."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from source_tree import in_folder, module_files

FLOORS = {
    "core": 0,
    "config": 1,
    "canvas": 2,
    "media": 2,
    "nn": 2,
    "models": 3,
    "diffusion": 3.5,  # reads files by what models have for that
    "storybook": 3,
    "engines": 4,
    "api": 4.5,  # the facade over the engines, and the names that the package itself gives
    "": 4.5,
    "serve": 5,
    "train": 5,
    "evaluate": 5,
    "cli": 6,
    "__main__": 7,
}
TORCH_FREE = ("core", "config", "canvas", "media", "storybook")
HEAVY = ("torch", "transformers", "accelerate", "diffusers", "matplotlib")
HELP_SECONDS = 0.8
"""Processor time of `gesso --help`, about four times the usual; benchmarks/startup.py gives the figure."""


@cache
def imports() -> dict[str, frozenset[str]]:
    """Module -> the modules of gesso it imports anywhere, inside functions too."""
    return {
        name: frozenset(_imported(ast.parse(path.read_text()), name)) for name, path in module_files().items()
    }


def _imported(tree: ast.Module, importer: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            target = _module(name)
            if target is not None and target != importer:
                yield target


def _module(name: str) -> str | None:
    """The module of gesso that a dotted name lies in; None if it lies elsewhere."""
    while name and name not in module_files():
        name = name.rpartition(".")[0]
    return name or None


def _folder(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def test_every_folder_has_a_floor() -> None:
    unknown = {_folder(module) for module in module_files()} - set(FLOORS)
    assert not unknown, "give it a floor here and in docs/architecture.md"


def test_imports_go_down_only() -> None:
    wrong = [
        f"{module} -> {target}"
        for module, targets in imports().items()
        for target in targets
        if _folder(module) != _folder(target)
        and FLOORS[_folder(target)] >= FLOORS[_folder(module)]
        and {_folder(module), _folder(target)} != {"", "api"}
    ]
    assert not wrong


def test_no_module_imports_itself_through_others() -> None:
    order = list(TopologicalSorter(imports()).static_order())  # a CycleError names the circle
    assert set(order) == set(module_files())


def test_relative_imports_are_not_used() -> None:
    relative = [
        name
        for name, path in module_files().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, "the other tests here read absolute names"


@pytest.mark.parametrize("folder", TORCH_FREE)
def test_folder_needs_no_torch(folder: str) -> None:
    modules = list(in_folder(folder))
    assert modules
    assert loaded_by(f"import {', '.join(modules)}") == []


def test_importing_gesso_needs_no_torch() -> None:
    assert loaded_by("import gesso; gesso.user('hello'); gesso.Sampling()") == []


def test_help_needs_no_torch() -> None:
    program = """
import contextlib, os
from gesso.cli.main import run
sys.argv = ["gesso", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(open(os.devnull, "w")):
    run()
"""
    assert loaded_by(program) == []


def test_help_is_quick() -> None:
    command = [Path(sys.executable).with_name("gesso"), "--help"]
    assert min(_seconds(command) for _ in range(3)) < HELP_SECONDS


def loaded_by(program: str) -> list[str]:
    """Which of the heavy packages a program imports in a process of its own."""
    report = f"import json\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    command = [sys.executable, "-W", "ignore", "-c", f"import sys\n{program}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def _seconds(command: list[str | Path]) -> float:
    """Processor time of a command, which other jobs on the machine hardly change."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
