import sys

import pytest

from gesso.core.errors import UnknownNameError
from gesso.core.registry import LazyTable, import_target
from gesso.core.sampling import Sampling


def test_a_target_is_imported() -> None:
    assert import_target("gesso.core.sampling:Sampling") is Sampling


def test_a_table_imports_only_what_is_asked_for() -> None:
    table = LazyTable("thing", {"b": "gesso.core.sampling:Sampling", "a": "no.such.module:name"})
    assert list(table) == ["a", "b"]
    assert len(table) == 2
    assert table["b"] is Sampling
    assert "no" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        table["a"]


def test_an_unknown_name_is_named_with_its_noun() -> None:
    table = LazyTable("task", {"captions": "gesso.core.sampling:Sampling"})
    with pytest.raises(UnknownNameError, match="unknown task 'caption'; did you mean captions"):
        table["caption"]


def test_membership_is_told_without_an_import_or_an_error() -> None:
    table = LazyTable("task", {"captions": "no.such.module:name"})
    assert "captions" in table
    assert "caption" not in table
