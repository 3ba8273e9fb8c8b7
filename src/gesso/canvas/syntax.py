"""Syntax trees of statements, and why some statements have no place in a canvas program."""

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gesso.canvas.statements import Statement
from gesso.core.errors import CanvasError

__all__ = ["syntax_trees", "why_not"]

_NO_BLOCKS: Final = "loops, conditions, functions and classes are not run; write every call out in full"
_NO_IMPORTS: Final = "nothing is imported; remove this line, Canvas is known"
_NO_PLACE: Final = "this statement has no place in a canvas program; remove it"
_BLOCKS: Final = frozenset({"async", "class", "def", "for", "if", "match", "try", "while", "with"})
_REASONS: Final[Mapping[type[ast.stmt], str]] = MappingProxyType(
    {
        ast.AnnAssign: "this kind of annotation is not read; write name = value",
        ast.AugAssign: "values are not changed; write the finished value",
        ast.Import: _NO_IMPORTS,
        ast.ImportFrom: _NO_IMPORTS,
    }
)


def syntax_trees(statement: Statement) -> list[ast.stmt]:
    """The syntax trees of a statement, several if there are semicolons; lines count from its first.

    Raises:
        CanvasError: it is no Python, or nested too deeply for Python's parser; lines count likewise.
    """
    try:
        # as at a prompt: exactly one statement line, and no search for a file to quote a mistake from
        return ast.parse(statement.text, mode="single").body
    except SyntaxError as error:
        raise CanvasError(_mistake(statement.text, error), error.lineno or 1) from None
    except (MemoryError, RecursionError):  # Python 3.11 raises either when its stack is used up
        problem = "the statement is nested too deeply; write the finished values"
        raise CanvasError(problem, 1) from None
    except ValueError as error:  # a character that cannot be encoded, or is zero
        raise CanvasError(f"this is no Python: {error}; remove the character", 1) from None


def why_not(node: ast.stmt) -> str:
    """Why a statement is refused, and what to do."""
    return _REASONS.get(type(node), _NO_BLOCKS if hasattr(node, "body") else _NO_PLACE)


def _mistake(text: str, error: SyntaxError) -> str:
    first_word = text.lstrip().partition(" ")[0].rstrip(":\n")
    if first_word in _BLOCKS or text.startswith("@"):
        return _NO_BLOCKS
    return f"this is no Python: {error.msg}; mend it, and put text that is no program outside"
