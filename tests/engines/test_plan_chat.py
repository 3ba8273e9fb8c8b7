import pytest

from engines.planning import FakeWriter, canvas, program
from gesso.core.errors import CanvasError, UsageError
from gesso.core.sampling import Sampling
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_chat import PlanChat

SETTINGS = PlanSettings(system=None, repairs=0)
FISH, BOAT, CAT = program("red fish"), program("blue boat"), program("pink cat")


def chat(*replies: str, sampling: Sampling | None = None) -> tuple[PlanChat, FakeWriter]:
    writer = FakeWriter(*replies)
    return PlanChat(Planner(writer, SETTINGS), sampling), writer


def told(writer: FakeWriter) -> list[str]:
    """What the user said in the last conversation that was asked about."""
    return [message.text for message in writer.asked[-1] if message.role == "user"]


def test_turns_are_remembered() -> None:
    talk, writer = chat(FISH, BOAT)
    talk.say("a fish")
    assert talk.say("a boat instead").canvas == canvas("blue boat")
    assert told(writer) == ["a fish", "a boat instead"]
    assert [turn.reply for turn in talk.turns] == [FISH, BOAT]


def test_another_answer_takes_another_seed() -> None:
    talk, writer = chat(FISH, BOAT, CAT, sampling=Sampling(temperature=0.6, seed=0))
    talk.say("something")
    assert talk.again().canvas == canvas("blue boat")
    assert talk.again(seed=77).canvas == canvas("pink cat")
    assert [sampling.seed for sampling in writer.samplings] == [0, 1, 77]
    assert told(writer) == ["something"]
    assert len(talk.turns) == 1


def test_another_answer_needs_a_turn_and_chance() -> None:
    talk, _ = chat(FISH, sampling=Sampling())
    with pytest.raises(UsageError, match="turn -1 is asked for, of 0"):
        talk.again()
    talk.say("a fish")
    with pytest.raises(UsageError, match="the answer would be the same"):
        talk.again()


def test_an_earlier_message_can_be_changed() -> None:
    talk, writer = chat(FISH, BOAT, CAT)
    talk.say("a fish")
    talk.say("a boat instead")
    assert talk.revise(0, "a cat").canvas == canvas("pink cat")
    assert told(writer) == ["a cat"]
    assert [turn.wish for turn in talk.turns] == ["a cat"]
    with pytest.raises(UsageError, match="turn 1 is asked for, of 1"):
        talk.revise(1, "a dog")


def test_a_canvas_edited_by_hand_is_what_the_next_wish_is_about() -> None:
    talk, writer = chat(FISH, CAT)
    talk.say("a fish")
    talk.put(canvas("blue boat"))
    talk.say("a cat instead")
    assert writer.asked[-1][1].text == program("blue boat", layout="tall")
    assert told(writer) == ["a fish", "a cat instead"]


def test_what_fails_changes_nothing() -> None:
    talk, _ = chat(FISH, "no canvas")
    talk.say("a fish")
    with pytest.raises(CanvasError):
        talk.say("a boat")
    assert [turn.wish for turn in talk.turns] == ["a fish"]
