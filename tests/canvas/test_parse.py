import builtins
from itertools import islice
from pathlib import Path

import pytest

from canvas.examples import BEGIN, BOAT, GLOBAL, HARBOUR, LOCAL, PROGRAM, fenced, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import Reading, read_canvas
from gesso.core.errors import CanvasError
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scenes
from gesso.storybook.words import LANGUAGES

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.txt"))
READING = Reading(Canvas(HARBOUR, (BOAT,)))


@pytest.mark.parametrize(
    "text",
    [
        PROGRAM,
        f"# a program\n\n{PROGRAM}",
        f"Sure!\n\n{fenced(PROGRAM)}\n\nEnjoy.",
        f"```\n{PROGRAM}```",
        f"```py\n{PROGRAM}```",
        fenced(PROGRAM).replace("\n", "\r\n"),
        f"```python\n{PROGRAM}",
        f"```python\n{PROGRAM}".rstrip(),
        f"```python\n{PROGRAM}  ```\nEnjoy.",
        fenced(PROGRAM.replace(" = ", "=", 1)),
        fenced(PROGRAM.replace("\n", "\r") + "\n"),
        fenced(PROGRAM) + "\nor\n" + fenced(BEGIN),
    ],
)
def test_programs_are_read_however_they_are_wrapped(text: str) -> None:
    assert read_canvas(text) == READING


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROGRAM, "the text has no canvas program; answer with a block that begins with ```python"),
        (f"```\n{PROGRAM}```", "the text has no canvas program"),
        (f"```python\n{PROGRAM}", "the block with the program is not closed"),
        (fenced(PROGRAM.replace(" = ", "=", 1)), "the program lacks the line canvas = Canvas()"),
    ],
)
def test_published_rules_find_fewer(text: str, said: str) -> None:
    assert said in str(refusal(read_canvas, text, published=True))


def test_under_published_rules_a_comment_will_do() -> None:
    text = fenced("# canvas = Canvas()\n" + PROGRAM.replace(" = ", "=", 1))
    assert read_canvas(text, published=True) == READING


@pytest.mark.parametrize("cut", range(5, len(LOCAL) - 1, 7))
def test_a_program_that_stops_in_a_statement_is_refused(cut: int) -> None:
    error = refusal(read_canvas, "```python\n" + BEGIN + GLOBAL + LOCAL[:cut])
    assert error.line == 4


def test_lines_are_counted_in_the_whole_text() -> None:
    error = refusal(read_canvas, f"Sure!\n\n{fenced(BEGIN + 'import os' + chr(10))}")
    assert str(error) == "line 5: nothing is imported; remove this line, Canvas is known"
    assert error.problem == "nothing is imported; remove this line, Canvas is known"


@pytest.mark.parametrize("language", LANGUAGES)
def test_storybook_programs_need_no_correction(language: str) -> None:
    for scene in islice(scenes("train", 7), 30):
        reading = read_canvas(canvas_program(scene, language), published=True)
        assert reading.corrections == ()
        assert len(reading.canvas.regions) == len(scene.things)
        assert read_canvas(reading.canvas.to_source()).canvas == reading.canvas


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * 100_000 + "x",
        "canvas" + " " * 100_000 + "x",
        "a" * 100_000 + " " * 100_000 + "x",
        "canvas:" + "a" * 200_000,
        "```\n" * 50_000,
        "```python\n" + "1_0" * 60_000 + "x",
        "```python\n" + ".5e1" * 50_000,
        "```python\n" + "\n" * 50_000,
        "```python\n'" + "\\" * 200_000,
        "```python\n" + "\\\n" * 100_000,
        '```python\nx = """' + "'\\'\n" * 50_000,
        "```python\nx = [" + "'a'," * 60_000 + "]",
        "```python\nx = 0x" + "f" * 200_000,
        "```python\nx = " + "9" * 200_000,
        "```python\n" + BEGIN + GLOBAL.replace("lightsteelblue", "lihgt stel bleu") * 1000,
    ],
    ids=lambda text: repr(text[:20] + text[-5:]),
)
def test_texts_made_to_take_long_do_not(text: str) -> None:
    """In time that grows with the square of their length, most of these would take hours."""
    with pytest.raises(CanvasError):
        read_canvas(text)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_texts_of_the_corpus_run_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_bytes().decode()

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the program was executed")

    for name in ("eval", "exec", "open", "print"):
        monkeypatch.setattr(builtins, name, forbidden)
    try:
        outcome: object = read_canvas(text)
    except CanvasError as error:
        outcome = error
    monkeypatch.undo()
    refused = path.stem.startswith(("unsafe", "huge", "deep", "cut", "loop", "f_strings"))
    assert isinstance(outcome, CanvasError if refused else Reading), outcome
