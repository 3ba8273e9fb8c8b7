import ast
import io
import token
import tokenize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canvas.examples import refusal
from gesso.canvas.limits import MAX_BRACKETS, MAX_TOKENS
from gesso.canvas.statements import StatementSplitter


def split(program: str) -> tuple[list[tuple[str, int]], int | None]:
    """The statements of a program with their lines, and where an incomplete one begins."""
    splitter, found = StatementSplitter(), []
    for number, line in enumerate(program.split("\n"), 1):
        if statement := splitter.push(line, number):
            found.append((statement.text, statement.line))
    return found, splitter.begun


@pytest.mark.parametrize(
    ("program", "statements"),
    [
        ("x = 1\n\n# a\n  # b\ny = 2", [("x = 1", 1), ("y = 2", 5)]),
        ("f(1,\n  [2,\n   3])\nx", [("f(1,\n  [2,\n   3])", 1), ("x", 4)]),
        ("x = '''a\n# b\n\n'c' '''\ny", [("x = '''a\n# b\n\n'c' '''", 1), ("y", 5)]),
        ("'''a text'''", [("'''a text'''", 1)]),
        ("x = \\\n  1\ny", [("x = \\\n  1", 1), ("y", 3)]),
        ("x = 'a\\\nb'\ny", [("x = 'a\\\nb'", 1), ("y", 3)]),
        ("x = '(' # (\ny", [("x = '(' # (", 1), ("y", 2)]),
        ("x = '' \"\" '\\'' r'\\' ' + '['\ny", [("x = '' \"\" '\\'' r'\\' ' + '['", 1), ("y", 2)]),
        ("x = 'never closed\ny", [("x = 'never closed", 1), ("y", 2)]),
        ("x)\ny", [("x)", 1), ("y", 2)]),
        ("a; b", [("a; b", 1)]),
        ("", []),
    ],
)
def test_statements_end_where_python_ends_them(program: str, statements: list[tuple[str, int]]) -> None:
    assert split(program) == (statements, None)


@pytest.mark.parametrize("program", ["a\nf(\n1", "a\n'''b\nc", "a\nb = \\", "a\nx = 'b\\"])
def test_what_is_not_complete_is_no_statement(program: str) -> None:
    assert split(program) == ([("a", 1)], 2)


def test_a_line_may_begin_inside_a_string() -> None:
    splitter = StatementSplitter()
    splitter.push("x = '''a", 1)
    assert splitter.in_string
    splitter.push("b'''", 2)
    assert not splitter.in_string


@pytest.mark.parametrize(
    ("written", "respelt"),
    [
        (r"'\d \n \\d \''", r"'\\d \n \\d \''"),
        (r"r'\d'", r"r'\d'"),
        (r"'\400 \377 \08'", r"'\u0100 \377 \08'"),
        (r"b'\d \u0041 \n \400 \''", r"b'\\d \\u0041 \\n \\400 \''"),
        (r"f'\d'", r"f'\\d'"),
        (r"xr'\d'", r"xr'\\d'"),
    ],
)
def test_escapes_that_python_warns_of_are_respelt(written: str, respelt: str) -> None:
    assert split(written)[0] == [(respelt, 1)]


def test_respelling_changes_no_value() -> None:
    with pytest.warns((DeprecationWarning, SyntaxWarning)):
        value = ast.literal_eval(r"'\d\400\é\x41\N{EM DASH}\0'")
    ((respelt, _),), _ = split(r"'\d\400\é\x41\N{EM DASH}\0'")
    assert ast.literal_eval(respelt) == value


@pytest.mark.parametrize(
    "number", ["1", "1_000", "0x1F", "0b01", "0o17", "1.", ".5", "1.5e-3", "1e999", "2j", "1_0.0_1"]
)
def test_numbers_are_known(number: str) -> None:
    assert split(f"x = [{number}, -{number}]")[0] == [(f"x = [{number}, -{number}]", 1)]


@pytest.mark.parametrize("number", ["5if", "0x1for", "1.if", "1e5or", "3and", "1_2x", "1.2.3"])
def test_numbers_that_run_into_words_are_refused(number: str) -> None:
    error = refusal(split, f"\nx = {number} 1")
    assert f"'{number}' is no number" in str(error)
    assert error.line == 2


@pytest.mark.parametrize(
    "deep", ["(" * (MAX_BRACKETS + 1), "f(\n" + "[\n" * MAX_BRACKETS], ids=["on one line", "on many"]
)
def test_deep_brackets_are_refused(deep: str) -> None:
    assert "brackets are open" in str(refusal(split, deep))
    assert split("[" * MAX_BRACKETS + "]" * MAX_BRACKETS)[1] is None


@pytest.mark.parametrize(
    "long",
    [
        "-" * (MAX_TOKENS + 1),
        "not " * (MAX_TOKENS + 1),
        "f'{" + "-" * MAX_TOKENS + "1}'",
        "(\n" + "a.b\n" * 200,
    ],
    ids=["signs", "words", "in an f-string", "on many lines"],
)
def test_long_statements_are_refused(long: str) -> None:
    assert "names, numbers and signs" in str(refusal(split, long))


def test_strings_and_commas_do_not_make_a_statement_long() -> None:
    assert split("x = [" + "'a - b', " * 2 * MAX_TOKENS + "]")[1] is None


@given(
    program=st.lists(
        st.sampled_from(
            [
                "a",
                " ",
                "\n",
                "'",
                '"',
                "'''",
                "\\",
                "(",
                "]",
                "[",
                ")",
                "#",
                "=",
                "r",
                "f",
                "b",
                ";",
                "1",
                "é",
            ]
        ),
        max_size=25,
    ).map("".join)
)
@example("\\\n#")
@example("\\\n  a")
@settings(max_examples=300, deadline=None)
def test_what_python_takes_apart_is_taken_apart_alike(program: str) -> None:
    """Python's own tokenizer puts a NEWLINE behind each statement; where it refuses, anything goes."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(program).readline))
        ast.parse(program)
    except (SyntaxError, tokenize.TokenError):
        return
    ends = [t.start[0] for t in tokens if t.type == token.NEWLINE]
    found, begun = split(program)
    assert begun is None
    assert [line + text.count("\n") for text, line in found] == ends
