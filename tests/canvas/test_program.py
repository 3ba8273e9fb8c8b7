import sys

import pytest

from canvas.examples import BEGIN, BOAT, GLOBAL, HARBOUR, LOCAL, PROGRAM, refusal
from gesso.canvas.calls import Draft
from gesso.canvas.canvas import Canvas
from gesso.canvas.limits import MAX_CALLS, MAX_CHARACTERS, MAX_REGIONS, MAX_STATEMENTS
from gesso.canvas.program import Program, Reading


def run(source: str) -> Program:
    program = Program()
    for number, line in enumerate(source.split("\n"), 1):
        program.push(line, number)
    program.end()
    return program


def test_a_program_gives_its_canvas() -> None:
    assert run(PROGRAM).reading() == Reading(Canvas(HARBOUR, (BOAT,)))


def test_the_last_canvas_and_its_last_background_count() -> None:
    source = BEGIN + GLOBAL + LOCAL + BEGIN + GLOBAL.replace("harbour", "wood") + LOCAL + GLOBAL
    (region,) = run(source).reading().canvas.regions
    assert region.setting == ("A wood.",)


def test_a_region_before_the_background_has_no_setting() -> None:
    canvas = run(BEGIN + LOCAL + GLOBAL + LOCAL).reading().canvas
    assert [region.setting for region in canvas.regions] == [(), None]


@pytest.mark.parametrize(
    "statement",
    [
        "'a text'", "pass", "1; canvas", "print('done', canvas)", "canvas: object = canvas", "a = b = 'x'",
        "near: int = 3", "other = Canvas()", "nothing = print()", "canvas = canvas",
    ],
)  # fmt: skip
def test_statements_without_effect_on_the_canvas_are_read(statement: str) -> None:
    assert run(f"{PROGRAM}{statement}\n").reading().canvas == Canvas(HARBOUR, (BOAT,))


def test_a_canvas_may_have_two_names() -> None:
    assert run(BEGIN + "c = canvas\n" + GLOBAL.replace("canvas.", "c.") + LOCAL).reading().canvas == Canvas(
        HARBOUR, (BOAT,)
    )


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import os", "nothing is imported"),
        ("from os import path", "nothing is imported"),
        ("for x in [1]: pass", "loops, conditions, functions and classes are not run"),
        ("while True:", "loops, conditions"),
        ("if False:", "loops, conditions"),
        ("def f(): pass", "loops, conditions"),
        ("class A: pass", "loops, conditions"),
        ("@print", "loops, conditions"),
        ("with open('x') as f: pass", "loops, conditions"),
        ("raise SystemExit", "has no place in a canvas program"),
        ("del canvas", "has no place"),
        ("global x", "has no place"),
        ("x += 'a'", "values are not changed"),
        ("x: dict = 1", "annotation is not read"),
        ("x: int", "annotation is not read"),
        ("canvas.record_tags = False", "only plain names are assigned to"),
        ("a, b = 1, 2", "only plain names are assigned to"),
        ("__debug__ = 1", "only plain names are assigned to"),
        # texts that the reader must refuse; they are parsed, and nothing runs them
        ("eval('1')", "only Canvas(), print of values"),
        ("__import__('os')", "only Canvas(), print of values"),
        ("'{0}'.format(1)", "only Canvas(), print of values"),
        ("Canvas(1)", "only Canvas(), print of values"),
        ("print('x', file=1)", "only Canvas(), print of values"),
        ("print(open('x'))", "a call is not worked out"),
        (
            "canvas.render()",
            "canvas has no method 'render'; use set_global_description or add_local_description",
        ),
        ("canvas.set_global_description.__globals__['re']", "an index is not worked out"),
        ("().__class__.__base__.__subclasses__()", "only Canvas()"),
        ("Canvas.process = 1", "only plain names"),
        ("x.upper()", "the name 'x' stands for nothing"),
        ("This is the end.", "this is no Python: invalid syntax"),
        ("  x = 1", "unexpected indent"),
        ("x = '\0'", "this is no Python"),
        ("x = '\ud800'", "this is no Python"),
        ("x = 0777", "this is no Python"),
    ],
)
def test_other_statements_are_refused(statement: str, said: str) -> None:
    error = refusal(run, f"{BEGIN}\n{statement}\n")
    assert said in str(error)
    assert error.line == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "the program makes no canvas; begin it with: canvas = Canvas()"),
        ("c = Canvas()", "the program makes no canvas"),
        (PROGRAM + "canvas = 'done'", "canvas stands for something else"),
        (BEGIN + LOCAL, "the canvas has no background; call canvas.set_global_description"),
    ],
)
def test_a_program_must_leave_a_canvas(source: str, said: str) -> None:
    assert said in str(refusal(run(source).reading))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GLOBAL, "line 1: canvas is used before there is one"),
        ("canvas = 'x'\n" + GLOBAL, "line 2: canvas is 'x', on which nothing is called"),
        ("Canvas = 'x'\n" + BEGIN, "line 2: only Canvas()"),
        ("print = 'x'\nprint('a')", "line 2: only Canvas()"),
        (BEGIN + "x = (\n1", "line 2: the program stops in the middle of this statement"),
    ],
)
def test_names_are_followed(source: str, said: str) -> None:
    assert said in str(refusal(run, source))


def test_arguments_come_by_place_by_name_and_from_lists() -> None:
    first, rest = (
        "['A harbour.', ['Still water.']]",
        "tags='harbour, dawn', HTML_web_color_name='lightsteelblue'",
    )
    source = f"{BEGIN}start = {first}\ncanvas.set_global_description(*start, {rest})\n"
    assert run(source).reading().canvas == Canvas(HARBOUR)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("*'abc'", "*'abc' is no list"), ("**{}", "** is not read"), ("*[1, 2, 3, 4, 5]", "takes 4 arguments")],
)
def test_other_ways_to_give_arguments_are_refused(arguments: str, said: str) -> None:
    assert said in str(refusal(run, f"{BEGIN}canvas.set_global_description({arguments})"))


def test_corrections_and_refusals_have_the_line_of_the_argument() -> None:
    call = "canvas.set_global_description(\n'A.',\n[],\n'',\n{})"
    (correction,) = run(f"{BEGIN}\n{call.format(repr('Sky Blue'))}").reading().corrections
    assert str(correction) == "line 7: colour 'Sky Blue' was read as 'skyblue'"
    assert refusal(run, f"{BEGIN}\n{call.format('5')}").line == 7


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (BEGIN + GLOBAL + LOCAL * (MAX_REGIONS + 1), f"more than {MAX_REGIONS} regions"),
        (BEGIN + GLOBAL * (MAX_CALLS + 1), f"more than {MAX_CALLS} calls"),
        ("1\n" * (MAX_STATEMENTS + 1), f"more than {MAX_STATEMENTS} statements"),
        (
            BEGIN + "x = 'a' * 16000\n" + "canvas.set_global_description(x, [], '', 'red')\n" * 17,
            f"{MAX_CHARACTERS}",
        ),
    ],
)
def test_there_are_bounds(source: str, said: str) -> None:
    assert said in str(refusal(run, source))


def test_a_stack_that_is_nearly_used_up_is_a_refusal() -> None:
    limit = sys.getrecursionlimit()
    error = refusal(_deep, limit - len_of_stack() - 60, BEGIN + "x = " + "1 + " * 90 + "1")
    assert "nested too deeply" in str(error)


def _deep(levels: int, source: str) -> object:
    return run(source) if levels <= 0 else _deep(levels - 1, source)


def len_of_stack() -> int:
    frame, count = sys._getframe(), 0
    while frame:
        frame, count = frame.f_back, count + 1
    return count


def test_a_draft_is_shown_as_it_is_written() -> None:
    assert repr(Draft()) == "Canvas()"
