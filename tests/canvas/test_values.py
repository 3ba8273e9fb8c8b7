import ast
from operator import add, mul, sub, truediv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas.examples import refusal
from gesso.canvas.limits import MAX_DEPTH, MAX_DETAILS, MAX_TEXT
from gesso.canvas.values import evaluate

NAMES = {"n": 3, "word": "boat", "parts": ["a", "b"], "long": "x" * MAX_TEXT, "many": ["y"] * MAX_DETAILS}


def value(source: str) -> object:
    return evaluate(ast.parse(source, mode="eval").body, NAMES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'a' \"b\"", "ab"),
        ("-3.5", -3.5),
        ("+-1", -1),
        ("1e999", float("inf")),
        ("[word, ['a'], (1, n)]", ["boat", ["a"], (1, 3)]),
        ("'a' + word", "aboat"),
        ("parts + ['c']", ["a", "b", "c"]),
        ("'ab' * 2", "abab"),
        ("n * 'ab'", "ababab"),
        ("'a' * -1", ""),
        ("n * 2 - 1 / 4", 5.75),
        ("f'{n} {word}s, {n + 1} {{x}} {True}'", "3 boats, 4 {x} True"),
        ("None", None),
        ("b'x'", b"x"),
        ("...", ...),
    ],
)
def test_values_are_those_of_python(source: str, expected: object) -> None:
    assert value(source) == expected


SIGNS = {"+": add, "-": sub, "*": mul, "/": truediv}
LEAVES = st.integers(-9, 9).map(lambda n: (str(n), n)) | st.sampled_from(
    [("n", 3), ("1.5", 1.5), ("2e3", 2e3)]
)
Term = tuple[str, float | None]
"""An expression and its value; None where it divides by zero."""


def joined(parts: tuple[Term, str, Term]) -> Term:
    (left, one), sign, (right, other) = parts
    defined = one is not None and other is not None and not (sign == "/" and other == 0)
    return f"({left} {sign} {right})", SIGNS[sign](one, other) if defined else None


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.tuples(inner, st.sampled_from(sorted(SIGNS)), inner).map(joined),
        max_leaves=12,
    )
)
def test_arithmetic_is_that_of_python(term: Term) -> None:
    source, expected = term
    if expected is None:
        assert "write the finished number" in str(refusal(value, source))
    else:
        assert value(source) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("other", "the name 'other' stands for nothing; write the value itself"),
        ("canvas", "begin the program with: canvas = Canvas()"),
        ("f(1)", "a call is not worked out"),
        ("word.upper", "an attribute is not worked out"),
        ("parts[0]", "an index is not worked out"),
        ("{'a': 1}", "a dictionary is not worked out"),
        ("[x for x in parts]", "a comprehension is not worked out"),
        ("lambda: 1", "a function is not worked out"),
        ("1 if n else 2", "a condition is not worked out"),
        ("n and 1", "a condition is not worked out"),
        ("n < 1", "a comparison is not worked out"),
        ("not n", "this kind of expression is not worked out"),
        ("~n", "this kind of expression is not worked out"),
        ("[*parts]", "a starred value is not worked out"),
        ("(n := 1)", "this kind of expression is not worked out"),
        ("10 ** 10 ** 8", "10 and 8 are not joined in this way"),
        ("[0] * 3", "[0] and 3 are not joined in this way"),
        ("'%d' % 3", "'%d' and 3 are not joined in this way"),
        ("'a' + 1", "'a' and 1 are not joined in this way"),
        ("7 // 2", "7 and 2 are not joined in this way"),
        ("-'a'", "'a' has no sign"),
        ("1 / 0", "division by zero; write the finished number"),
        ("long + 'x'", f"a text of {MAX_TEXT + 1} characters"),
        ("'ab' * 10 ** 9", "are not joined"),
        ("'ab' * 1000000000", f"a text of more than {MAX_TEXT} characters"),
        ("f'{long}{long}'", f"a text of {2 * MAX_TEXT} characters"),
        ("many + ['z']", f"a list of {MAX_DETAILS + 1} entries"),
        ("1" + "0" * 301, "a whole number beyond 1e300"),
        ("1" + "0" * 200 + " * 1" + "0" * 200, "a whole number beyond 1e300"),
        ("f'{n!r}'", "an f-string may insert texts and plain numbers only"),
        ("f'{n:>9}'", "an f-string may insert texts and plain numbers only"),
        ("f'{parts}'", "an f-string may insert texts and plain numbers only"),
        ("+".join("1" * (MAX_DEPTH + 2)), f"more than {MAX_DEPTH} operations"),
    ],
)
def test_all_else_is_refused(source: str, said: str) -> None:
    assert said in str(refusal(value, source))


def test_a_refusal_has_the_line_of_the_expression() -> None:
    assert refusal(value, "[1,\n 2,\n other]").line == 3
