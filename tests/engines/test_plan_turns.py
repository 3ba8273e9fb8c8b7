import pytest

from engines.planning import FakeWriter, canvas, program
from gesso.canvas.edit import set_subject
from gesso.core.errors import CanvasError, UsageError
from gesso.core.messages import assistant, user
from gesso.engines.plan_turns import Turn, brief, repair_messages, with_canvas, with_notes

TURNS = (Turn("a" * 10, "b" * 90), Turn("c" * 10, "d" * 90))


def test_everything_fits_where_the_context_is_unknown_or_large() -> None:
    for context in (None, 1000):
        told = brief(FakeWriter(context=context), "s" * 50, TURNS, "e" * 20, 500)
        assert [len(message.text) for message in told.messages] == [50, 10, 90, 10, 90, 20]
        assert told.tokens == 270
        assert told.warnings == ()


def test_the_oldest_turns_make_room_for_a_reply() -> None:
    told = brief(FakeWriter(context=400), None, TURNS, "e" * 20, 200)
    assert told.messages == [user("c" * 10), assistant("d" * 90), user("e" * 20)]
    assert told.warnings[0].startswith("the oldest turn did not fit the planner's 400 tokens")


def test_half_of_the_context_is_room_enough() -> None:
    assert brief(FakeWriter(context=440), None, TURNS, "e" * 20, 10**6).warnings == ()


def test_the_last_turn_stays_and_a_tight_place_is_told() -> None:
    told = brief(FakeWriter(context=200), None, TURNS[1:], "e" * 20, 200)
    assert len(told.messages) == 3
    assert told.warnings == (
        "the last canvas and the wish take 120 of the planner's 200 tokens; "
        "a longer canvas may be cut, so use fewer regions or shorter descriptions",
    )


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="take 120 of the planner's 150 tokens, which leaves no room"):
        brief(FakeWriter(context=150), None, TURNS, "e" * 20, 200)
    assert brief(FakeWriter(context=150), None, TURNS, "e" * 20, 30).tokens == 120


def test_turns_without_words_are_no_turns() -> None:
    told = brief(FakeWriter(), None, [Turn("", "x"), Turn("y", "")], "z", 10)
    assert told.messages == [user("z")]


def test_a_canvas_is_shown_as_the_planner_writes() -> None:
    shown = with_canvas((), canvas("red fish"), "line")
    assert shown == (Turn("generate an image of a red fish on the left, in the sea", program("red fish")),)
    assert with_canvas(shown, canvas("blue boat"), "tall")[0].reply == program("blue boat", layout="tall")
    assert with_canvas(list(TURNS), None, "line") == TURNS


def test_a_turn_keeps_the_subjects_that_its_reply_lacks() -> None:
    own = set_subject(canvas("red fish"), 0, "fish.png")
    (turn,) = with_canvas((), own, "line")
    assert (turn.reply, turn.canvas) == (program("red fish"), own)
    assert with_notes([turn])[0].canvas == own


def test_a_repair_shows_the_program_and_its_mistake() -> None:
    messages = repair_messages([user("wish")], "bad", CanvasError("colour is 'x'; use another", 3))
    assert messages[:2] == [user("wish"), assistant("bad")]
    assert "line 3: colour is 'x'; use another" in messages[2].text


def test_canvases_without_a_note_get_one_for_planners_that_note() -> None:
    noted = Turn("add a boat", f"Plan: the fish stays\n{program('red fish')}")
    bare, none = Turn("a red fish", program("red fish")), Turn("a fish", "I cannot")
    first, second, third = with_notes([bare, noted, none])
    assert first.wish == bare.wish
    assert first.reply == f"Plan: red fish on the left\n{bare.reply}"
    assert (second, third) == (noted, none)
