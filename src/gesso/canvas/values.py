"""Works out the few expressions a canvas program may hold, from their syntax tree; calls nothing.

Literals, lists, tuples, names bound to such, joined and repeated strings, arithmetic on numbers, and
f-strings that insert texts and numbers. Everything else is refused.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gesso.canvas.checks import shown
from gesso.canvas.limits import MAX_DEPTH, MAX_DETAILS, MAX_NUMBER, MAX_TEXT
from gesso.core.errors import CanvasError

__all__ = ["evaluate"]

_WHAT: Final = MappingProxyType(
    {
        ast.Attribute: "an attribute", ast.Call: "a call", ast.Compare: "a comparison",
        ast.Dict: "a dictionary", ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension",
        ast.IfExp: "a condition", ast.Lambda: "a function", ast.ListComp: "a comprehension",
        ast.Set: "a set", ast.SetComp: "a comprehension", ast.Starred: "a starred value",
        ast.Subscript: "an index", ast.BoolOp: "a condition",
    }
)  # fmt: skip

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[..., int | float]]] = MappingProxyType(
    {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
)


def evaluate(node: ast.expr, names: Mapping[str, object], depth: int = 0) -> object:
    """The value of an expression.

    Args:
        node: its syntax tree.
        names: what the names stand for.
        depth: how many operations it is inside of.

    Raises:
        CanvasError: it is of a kind that is not worked out, too deep or too large; `line` counts from the
            first line that the tree was parsed from.
    """
    if depth > MAX_DEPTH:
        raise CanvasError(
            f"more than {MAX_DEPTH} operations inside one another; write the finished value", node.lineno
        )
    match node:
        case ast.Constant(value=value):
            return _bounded(value, node)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name):
            raise CanvasError(_unknown(name), node.lineno)
        case ast.List(elts=entries) | ast.Tuple(elts=entries):
            found = [evaluate(entry, names, depth + 1) for entry in entries]
            return _bounded(found if isinstance(node, ast.List) else tuple(found), node)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return _signed(sign, evaluate(operand, names, depth + 1), node)
        case ast.BinOp(op=sign, left=left, right=right):
            return _joined(sign, evaluate(left, names, depth + 1), evaluate(right, names, depth + 1), node)
        case ast.JoinedStr(values=parts):
            return _bounded("".join(_inserted(part, names, depth + 1) for part in parts), node)
    what = _WHAT.get(type(node), "this kind of expression")
    raise CanvasError(f"{what} is not worked out; write the finished value", node.lineno)


def _bounded(value: object, node: ast.expr) -> object:
    """Refuse what is too large, so that no sum of large things can be."""
    if isinstance(value, str | bytes) and len(value) > MAX_TEXT:
        problem = f"a text of {len(value)} characters; at most {MAX_TEXT} are read, so shorten it"
    elif isinstance(value, list | tuple) and len(value) > MAX_DETAILS:
        problem = f"a list of {len(value)} entries; at most {MAX_DETAILS} are read, so leave some out"
    elif isinstance(value, int) and abs(value) > MAX_NUMBER:
        problem = "a whole number beyond 1e300; write a smaller one"
    else:
        return value
    raise CanvasError(problem, node.lineno)


def _unknown(name: str) -> str:
    if name == "canvas":
        return "canvas is used before there is one; begin the program with: canvas = Canvas()"
    return f"the name {shown(name)} stands for nothing; write the value itself, texts in quotes"


def _signed(sign: ast.unaryop, value: object, node: ast.expr) -> object:
    if not isinstance(value, int | float):
        raise CanvasError(f"{shown(value)} has no sign; write the finished value", node.lineno)
    return -value if isinstance(sign, ast.USub) else +value


def _joined(sign: ast.operator, left: object, right: object, node: ast.expr) -> object:
    """Two values added or multiplied; sizes are known before anything is made."""
    match sign, left, right:
        case ast.Add(), str(), str():
            return _bounded(left + right, node)
        case ast.Add(), list(), list():
            return _bounded(left + right, node)
        case (ast.Mult(), str() as text, int() as count) | (ast.Mult(), int() as count, str() as text):
            if count * len(text) <= MAX_TEXT:
                return text * count
            raise CanvasError(f"a text of more than {MAX_TEXT} characters; shorten it", node.lineno)
        case _, int() | float(), int() | float() if type(sign) in _ARITHMETIC:
            return _calculated(_ARITHMETIC[type(sign)], left, right, node)
    problem = f"{shown(left)} and {shown(right)} are not joined in this way; write the finished value"
    raise CanvasError(problem, node.lineno)


def _calculated(operation: Callable[..., int | float], left: float, right: float, node: ast.expr) -> object:
    try:
        return _bounded(operation(left, right), node)
    except ArithmeticError as error:
        raise CanvasError(f"{error}; write the finished number", node.lineno) from None


def _inserted(part: ast.expr, names: Mapping[str, object], depth: int) -> str:
    """A piece of an f-string."""
    match part:
        case ast.Constant(value=str() as text):
            return text
        case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
            value = evaluate(inner, names, depth)
            if isinstance(value, str | int | float):
                return str(value)
    raise CanvasError(
        "an f-string may insert texts and plain numbers only; write the finished text", part.lineno
    )
