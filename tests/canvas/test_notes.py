from dataclasses import replace

from canvas.examples import BOAT, CANVAS, HARBOUR, PROGRAM, fenced
from gesso.canvas.canvas import Canvas
from gesso.canvas.notes import canvas_note, note_line, note_of


def test_a_note_names_each_region_and_tells_where_it_is() -> None:
    note = canvas_note(CANVAS)
    assert note == "Plan: firebrick boat on the left; white tower on the right\n"
    assert note_of(note + fenced(PROGRAM)) == note.removeprefix("Plan: ").rstrip()
    assert canvas_note(Canvas(HARBOUR, (replace(BOAT, tags="a\nboat"),))).count("\n") == 1


def test_a_reply_without_a_note_has_none() -> None:
    assert not note_of(fenced(PROGRAM))
    assert not note_of("")
    assert not note_of(f"Sure!\n{note_line(['a fish'])}{fenced(PROGRAM)}")
