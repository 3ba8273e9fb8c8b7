import ast

import pytest

from canvas.examples import refusal
from gesso.canvas.statements import Statement
from gesso.canvas.syntax import syntax_trees, why_not


def test_a_statement_line_may_hold_several() -> None:
    assert [type(tree) for tree in syntax_trees(Statement("a = 1; b; pass # c", 5))] == [
        ast.Assign, ast.Expr, ast.Pass,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("f(1,\n  2 3)", 2, "this is no Python: invalid syntax"),
        ("a\nb", 1, "multiple statements"),
        ("if x:", 1, "loops, conditions"),
        ("x = '\ud800'", 1, "remove the character"),
        ("x = " + "-" * 100_000 + "1", 1, "nested too deeply"),
        ("x = " + "1+" * 50_000 + "1", 1, "nested too deeply"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, line: int, said: str) -> None:
    error = refusal(syntax_trees, Statement(text, 7))
    assert said in str(error)
    assert error.line == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x += 1", "not changed"),
        ("import os", "imported"),
        ("for x in y: pass", "not run"),
        ("raise", "no place"),
    ],
)
def test_a_refusal_says_why(text: str, said: str) -> None:
    assert said in why_not(ast.parse(text).body[0])
