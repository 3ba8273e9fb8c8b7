"""Every module says what it is for and what it offers, and offers what it says."""

import ast
from importlib import import_module
from types import FunctionType, ModuleType

import pytest

import gesso
from source_tree import module_files

MODULES = tuple(module_files())


@pytest.mark.parametrize("name", MODULES)
def test_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(ast.parse(module_files()[name].read_text()))


@pytest.mark.parametrize("name", MODULES)
def test_all_lists_what_is_there(name: str) -> None:
    module = import_module(name)
    listed = getattr(module, "__all__", [])
    assert [item for item in listed if not hasattr(module, item)] == []
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_and_classes_are_listed(name: str) -> None:
    module = import_module(name)
    assert _defined(module) - set(getattr(module, "__all__", ())) == set()


def test_what_others_import_is_listed() -> None:
    unlisted = [
        f"{importer} imports {name} of {node.module}"
        for importer, path in module_files().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in module_files()
        for name in (alias.name for alias in node.names)
        if f"{node.module}.{name}" not in module_files()
        and name not in getattr(import_module(node.module), "__all__", ())
    ]
    assert not unlisted


def test_every_name_of_the_package_is_its_homes_own() -> None:
    for name in set(gesso.__all__) - {"__version__"}:
        value = getattr(gesso, name)
        assert getattr(import_module(value.__module__), name) is value


def test_the_package_refuses_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        gesso.paint  # noqa: B018


def _defined(module: ModuleType) -> set[str]:
    """Public functions and classes that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType | type)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
