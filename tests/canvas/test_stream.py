from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas.examples import BEGIN, BOAT, GLOBAL, HARBOUR, LOCAL, PROGRAM, canvases, fenced, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.limits import MAX_SOURCE
from gesso.canvas.parse import Reading, read_canvas
from gesso.canvas.stream import CanvasStream, Cleared
from gesso.core.errors import CanvasError, UsageError


def in_pieces(text: str, length: int) -> list[list[object]]:
    """What comes with each piece of a text."""
    stream = CanvasStream()
    return [list(stream.feed(text[i : i + length])) for i in range(0, len(text), length)]


def test_each_part_comes_with_the_end_of_its_statement() -> None:
    stream = CanvasStream()
    assert stream.feed("Sure!\n```python\n" + BEGIN) == ()
    assert stream.feed(GLOBAL[:-1]) == ()
    assert stream.feed("\n") == (HARBOUR,)
    assert stream.feed(LOCAL.replace("', '", "',\n'") + LOCAL[:20]) == (BOAT,)
    assert stream.reading == Reading(Canvas(HARBOUR, (BOAT,)))
    assert stream.feed(LOCAL[20:] + "```") == (BOAT,)
    assert stream.finish() == Reading(Canvas(HARBOUR, (BOAT, BOAT)))


@pytest.mark.parametrize("length", [1, 3, 1000])
def test_the_length_of_pieces_does_not_matter(length: int) -> None:
    pieces = in_pieces(fenced(PROGRAM) + "\n", length)
    assert [part for piece in pieces for part in piece] == [HARBOUR, BOAT]


@given(canvas=canvases(), cuts=st.lists(st.integers(0, 3000), max_size=8), crlf=st.booleans())
@settings(deadline=None)
def test_pieces_give_what_the_whole_gives(canvas: Canvas, cuts: list[int], crlf: bool) -> None:
    text = f"Sure:\n{canvas.to_source(fenced=True)}\nDone."
    text = text.replace("\n", "\r\n") if crlf else text
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    stream, events = CanvasStream(), []
    for start, end in pairwise(edges):
        events += stream.feed(text[start:end])
    assert stream.finish() == read_canvas(text) == Reading(canvas)
    regions = [event.description for event in events if hasattr(event, "location")]
    assert regions == [region.description for region in canvas.regions]


def test_a_new_canvas_clears_the_old() -> None:
    stream = CanvasStream()
    assert stream.feed(fenced(PROGRAM + BEGIN + GLOBAL)) == (HARBOUR, BOAT, Cleared(), HARBOUR)
    assert CanvasStream().feed(fenced(BEGIN + PROGRAM)) == (HARBOUR, BOAT)


def test_a_better_program_clears_the_old() -> None:
    stream = CanvasStream()
    assert stream.feed(PROGRAM) == (HARBOUR, BOAT)
    assert stream.feed(fenced(BEGIN + GLOBAL)) == (Cleared(), HARBOUR)
    assert stream.finish() == Reading(Canvas(HARBOUR))


def test_a_region_of_an_earlier_background_is_known_at_the_end() -> None:
    stream = CanvasStream()
    assert stream.feed(fenced(PROGRAM + GLOBAL.replace("harbour", "wood")))[1] == BOAT
    (region,) = stream.finish().canvas.regions
    assert region.setting == ("A harbour.",)


def test_a_refusal_comes_at_once_and_again() -> None:
    stream = CanvasStream()
    stream.feed("```python\n")
    error = refusal(stream.feed, "import os\nx = 1\n")
    assert error.line == 2
    assert refusal(stream.feed, PROGRAM) is refusal(stream.finish) is error


def test_where_a_better_program_may_follow_a_refusal_waits() -> None:
    stream = CanvasStream()
    stream.feed("```\ncanvas = Canvas()\nimport os\n```\n")
    assert "nothing is imported" in str(refusal(lambda: stream.reading))
    stream.feed(fenced(PROGRAM))
    assert stream.finish().canvas.background == HARBOUR
    waiting = CanvasStream()
    waiting.feed("x = 1\nimport os\n")
    assert refusal(waiting.finish).line == 2


def test_a_reading_needs_a_canvas() -> None:
    stream = CanvasStream()
    assert "no canvas program" in str(refusal(lambda: stream.reading))
    stream.feed("```python\n")
    assert "makes no canvas" in str(refusal(lambda: stream.reading))


def test_long_texts_are_refused_whole_or_in_pieces() -> None:
    stream = CanvasStream()
    stream.feed("a" * MAX_SOURCE)
    for call in (lambda: stream.feed("a"), stream.finish, lambda: read_canvas("a" * (MAX_SOURCE + 1))):
        assert f"more than {MAX_SOURCE} characters" in str(refusal(call))


def test_a_finished_stream_takes_no_more() -> None:
    stream = CanvasStream()
    stream.feed(PROGRAM)
    stream.finish()
    with pytest.raises(UsageError, match="finished"):
        stream.feed("a")
    with pytest.raises(UsageError, match="finished"):
        stream.finish()


def test_published_rules_hold_in_a_stream_too() -> None:
    stream = CanvasStream(published=True)
    stream.feed("```python\n" + PROGRAM)
    with pytest.raises(CanvasError, match="not closed"):
        stream.finish()
