"""Reads the statements of a canvas program from their syntax trees; nothing of it is ever executed.

Source of the notation: lllyasviel/Omost at 731e749 (`lib_omost/canvas.py`), which runs the program instead.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gesso.canvas.calls import METHODS, Argument, Draft
from gesso.canvas.canvas import Canvas
from gesso.canvas.checks import shown
from gesso.canvas.limits import MAX_CALLS, MAX_STATEMENTS
from gesso.canvas.spelling import Correction
from gesso.canvas.statements import Statement, StatementSplitter
from gesso.canvas.syntax import syntax_trees, why_not
from gesso.canvas.values import evaluate
from gesso.core.errors import CanvasError

__all__ = ["Program", "Reading"]

_TYPES: Final = frozenset({"Canvas", "bool", "float", "int", "list", "object", "str"})
_CANVAS: Final = "canvas"
_NO_CALL: Final = (
    "only Canvas(), print of values, and the canvas's own methods are called: "
    f"{' and '.join(METHODS)}; remove this call or write the finished value"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was read as.

    Attributes:
        canvas: the canvas it describes.
        corrections: names that were near enough to a known one, in order.
    """

    canvas: Canvas
    corrections: tuple[Correction, ...] = ()


class Program:
    """A canvas program that comes line by line.

    Args:
        subjects: whether its regions may name subjects; see `gesso.canvas.parse`.

    Attributes:
        corrections: names that had to be corrected so far, in order.
    """

    def __init__(self, *, subjects: bool = False) -> None:
        self._subjects = subjects
        self.corrections: list[Correction] = []
        self._splitter = StatementSplitter()
        self._names: dict[str, object] = {}
        self._statements = self._calls = 0
        self._before = 0  # lines before the statement that is read

    @property
    def in_string(self) -> bool:
        """Whether the next line begins inside a string."""
        return self._splitter.in_string

    @property
    def draft(self) -> Draft | None:
        """The canvas so far; None if the name `canvas` does not stand for one now."""
        value = self._names.get(_CANVAS)
        return value if isinstance(value, Draft) else None

    def push(self, line: str, number: int) -> None:
        """Take a line without its end, and read the statement it completes.

        Raises:
            CanvasError: the statement is none that a canvas program may hold.
        """
        statement = self._splitter.push(line, number)
        if statement is not None:
            self._read(statement)

    def end(self) -> None:
        """Refuse a statement that is not complete."""
        if self._splitter.begun is not None:
            problem = "the program stops in the middle of this statement; complete or remove it"
            raise CanvasError(problem, self._splitter.begun)

    def reading(self) -> Reading:
        """The canvas of the statements so far.

        Raises:
            CanvasError: they make none, or one without a background.
        """
        if self.draft is None:
            if _CANVAS in self._names:
                raise CanvasError("at its end, canvas stands for something else; do not assign to it again")
            raise CanvasError("the program makes no canvas; begin it with: canvas = Canvas()")
        return Reading(self.draft.canvas(), tuple(self.corrections))

    def _read(self, statement: Statement) -> None:
        self._statements += 1
        if self._statements > MAX_STATEMENTS:
            raise CanvasError(f"more than {MAX_STATEMENTS} statements; leave some out", statement.line)
        self._before = statement.line - 1
        try:
            for node in syntax_trees(statement):
                self._run(node)
        except RecursionError:  # the caller's own stack is nearly used up
            raise CanvasError(
                "the statement is nested too deeply; write the finished values", statement.line
            ) from None
        except CanvasError as error:  # up to here, lines count from the statement's first
            raise error.at(self._before + (error.line or 1)) from None

    def _run(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=value):
                self._value(value)
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, self._value(value))
            case ast.AnnAssign(target=target, annotation=ast.Name(id=kind), value=ast.expr() as value) if (
                kind in _TYPES
            ):
                self._assign([target], self._value(value))
            case ast.Pass():
                pass
            case _:
                raise CanvasError(why_not(node), node.lineno)

    def _assign(self, targets: list[ast.expr], value: object) -> None:
        for target in targets:
            if not isinstance(target, ast.Name) or target.id.startswith("__"):
                raise CanvasError("only plain names are assigned to; write each value out", target.lineno)
            self._names[target.id] = value

    def _value(self, node: ast.expr) -> object:
        """The value of an expression; calls may stand alone or be assigned, but not inside another one."""
        if not isinstance(node, ast.Call):
            return evaluate(node, self._names)
        match node.func:
            case ast.Name(id="Canvas") if "Canvas" not in self._names and not node.args and not node.keywords:
                return Draft(subjects=self._subjects)
            case ast.Name(id="print") if "print" not in self._names and not node.keywords:
                for value in node.args:  # seen to be values; printing them is no business of a canvas
                    evaluate(value, self._names)
            case ast.Attribute(value=ast.Name(id=name) as owner, attr=method):
                self._method(name, evaluate(owner, self._names), method, node)
            case _:
                raise CanvasError(_NO_CALL, node.lineno)
        return None

    def _method(self, name: str, owner: object, method: str, node: ast.Call) -> None:
        if not isinstance(owner, Draft):
            problem = f"{name} is {shown(owner)}, on which nothing is called; write the finished value"
            raise CanvasError(problem, node.lineno)
        if method not in METHODS:
            problem = f"{name} has no method {shown(method)}; use {' or '.join(METHODS)}"
            raise CanvasError(problem, node.lineno)
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise CanvasError(f"more than {MAX_CALLS} calls; leave some out", node.lineno)
        arguments = list(self._arguments(node))
        corrections = owner.call(method, arguments, node.lineno)
        self.corrections += (replace(found, line=self._before + found.line) for found in corrections)

    def _arguments(self, node: ast.Call) -> Iterator[Argument]:
        for value in node.args:
            if isinstance(value, ast.Starred):
                yield from self._spread(value)
            else:
                yield Argument(None, evaluate(value, self._names), value.lineno)
        for keyword in node.keywords:
            if keyword.arg is None:
                raise CanvasError("** is not read; write each argument out", keyword.lineno)
            yield Argument(keyword.arg, evaluate(keyword.value, self._names), keyword.lineno)

    def _spread(self, starred: ast.Starred) -> Iterator[Argument]:
        values = evaluate(starred.value, self._names)
        if not isinstance(values, list | tuple):
            raise CanvasError(f"*{shown(values)} is no list; write each argument out", starred.lineno)
        for value in values:
            yield Argument(None, value, starred.lineno)
