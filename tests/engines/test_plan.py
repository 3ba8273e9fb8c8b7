import pytest

from engines.planning import FakeWriter, canvas, program
from gesso.canvas.edit import set_subject
from gesso.canvas.grammar import program_in
from gesso.canvas.notes import NOTE
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.stream import Cleared
from gesso.core.errors import CanvasError, UsageError
from gesso.core.messages import assistant, system, user
from gesso.core.sampling import Sampling
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_turns import Turn
from gesso.models.omost.prompts import OMOST_SAMPLING, SYSTEM_PROMPT

FISH, BOAT = program("red fish"), program("red fish", "blue boat")
BROKEN = FISH.replace("'on the left'", "17")


def test_a_wish_becomes_a_canvas() -> None:
    writer = FakeWriter(FISH)
    plan = Planner(writer).plan("a red fish in the sea")
    assert plan.canvas == canvas("red fish")
    assert plan.reply == FISH
    assert plan.turns == (Turn("a red fish in the sea", FISH),)
    assert (plan.corrections, plan.refusals, plan.warnings) == ((), (), ())
    assert writer.asked == [[system(SYSTEM_PROMPT), user("a red fish in the sea")]]
    assert writer.samplings == [OMOST_SAMPLING]
    assert writer.writings[0].closed


def test_what_the_planner_worked_out_beforehand_is_kept() -> None:
    reply = f"{NOTE}red fish on the left\n{FISH}"
    plan = Planner(FakeWriter(reply)).plan("a red fish in the sea")
    assert plan.canvas == canvas("red fish")
    assert plan.note == "red fish on the left"
    assert plan.turns == (Turn("a red fish in the sea", reply),)
    assert not Planner(FakeWriter(FISH)).plan("a red fish").note


def test_a_conversation_goes_on_with_the_turns_before() -> None:
    writer = FakeWriter(FISH, BOAT)
    planner = Planner(writer, PlanSettings(system=None))
    first = planner.plan("a red fish")
    second = planner.plan("add a blue boat", history=first.turns, sampling=Sampling())
    assert second.canvas == canvas("red fish", "blue boat")
    assert [turn.wish for turn in second.turns] == ["a red fish", "add a blue boat"]
    assert writer.asked[1] == [user("a red fish"), assistant(FISH), user("add a blue boat")]
    assert writer.samplings[1] == Sampling()


def test_a_canvas_of_ones_own_can_be_edited() -> None:
    writer = FakeWriter(BOAT)
    plan = Planner(writer, PlanSettings(system=None)).plan("add a blue boat", canvas=canvas("red fish"))
    asked, shown, wish = writer.asked[0]
    assert asked == user("generate an image of a red fish on the left, in the sea")
    assert shown == assistant(program("red fish", layout="tall"))
    assert wish == user("add a blue boat")
    assert len(plan.turns) == 2


def test_a_canvas_stands_in_place_of_the_last_turns() -> None:
    writer = FakeWriter(BOAT)
    history = [Turn("a cat", program("pink cat"))]
    Planner(writer, PlanSettings(system=None)).plan("add", history=history, canvas=canvas("red fish"))
    assert writer.asked[0][:2] == [user("a cat"), assistant(program("red fish", layout="tall"))]


def test_subjects_are_kept_from_planners_and_stay_with_their_regions() -> None:
    writer = FakeWriter(BOAT, program("blue boat"), program("green fish", "blue boat"))
    planner = Planner(writer, PlanSettings(system=None))
    own = set_subject(canvas("red fish"), 0, "fish=photo.png")
    plan = planner.plan("add a blue boat", canvas=own)
    assert "photo" not in repr(writer.asked[0])
    assert [region.subject for region in plan.canvas.regions] == ["fish=photo.png", None]
    assert plan.warnings == ()
    gone = planner.plan("no fish", history=plan.turns)
    assert gone.canvas == canvas("blue boat")
    assert gone.warnings == ("no region calls for the subject fish=photo.png any more, so it is gone",)
    third = planner.plan("make the fish green", history=plan.turns)
    assert [region.subject for region in third.canvas.regions] == ["fish=photo.png", None]
    assert "photo" not in repr(writer.asked)


def test_a_reply_that_names_a_file_goes_back() -> None:
    named = program_in(set_subject(canvas("red fish"), 0, "fish.png"), "tall")
    plan = Planner(FakeWriter(named, FISH)).plan("a red fish")
    assert plan.canvas == canvas("red fish")
    assert "a subject names a file" in plan.refusals[0]


def test_parts_come_as_soon_as_their_call_is_whole() -> None:
    writer = FakeWriter(BOAT)
    stream = Planner(writer).stream("a fish and a boat")
    assert isinstance(next(stream), GlobalDescription)
    assert len(writer.writings[0].stats.__class__.__slots__) > 0
    told = writer.writings[0].stats.tokens
    regions = list(stream)
    assert [region.description for region in regions if isinstance(region, Region)] == [
        "a red fish",
        "a blue boat",
    ]
    assert 0 < told < writer.writings[0].stats.tokens
    assert stream.plan.canvas == canvas("red fish", "blue boat")
    assert stream.plan is stream.plan


def test_a_refused_program_goes_back_with_the_reason() -> None:
    writer = FakeWriter(BROKEN, FISH)
    stream = Planner(writer).stream("a red fish")
    events = list(stream)
    assert [type(event) for event in events] == [GlobalDescription, Cleared, GlobalDescription, Region]
    plan = stream.plan
    assert plan.canvas == canvas("red fish")
    assert plan.turns == (Turn("a red fish", FISH),)
    assert len(plan.refusals) == 1
    assert "location" in plan.refusals[0]
    *before, refused, request = writer.asked[1]
    assert before == writer.asked[0]
    assert refused.text in BROKEN
    assert refused.role == "assistant"
    assert plan.refusals[0] in request.text
    assert plan.stats.tokens == sum(writing.stats.tokens for writing in writer.writings)


def test_a_refused_statement_ends_the_reply_at_once() -> None:
    writer = FakeWriter(BROKEN.removesuffix("```") + FISH * 20, FISH)
    Planner(writer).plan("a red fish")
    assert len(writer.asked[1][-2].text) < len(BROKEN) + 10


def test_after_two_repairs_the_last_reason_is_told() -> None:
    writer = FakeWriter(BROKEN, "I cannot draw.", BROKEN)
    with pytest.raises(CanvasError, match=r"asked 3 times and wrote no canvas .* location is 17"):
        Planner(writer).plan("a red fish")
    assert len(writer.asked) == 3
    assert writer.asked[2][-2] == assistant("I cannot draw.")
    assert "no canvas program" in writer.asked[2][-1].text


def test_repairs_can_be_switched_off_but_not_go_on_for_ever() -> None:
    with pytest.raises(CanvasError, match="asked once"):
        Planner(FakeWriter(BROKEN), PlanSettings(repairs=0)).plan("a red fish")
    with pytest.raises(UsageError, match="repairs is 3; it must be 0 to 2"):
        PlanSettings(repairs=3)


def test_a_repair_that_does_not_fit_is_not_asked_for() -> None:
    context = len(SYSTEM_PROMPT) + len("a red fish") + 100
    with pytest.raises(CanvasError, match="asked once"):
        Planner(FakeWriter(BROKEN, FISH, context=context)).plan(
            "a red fish", sampling=Sampling(max_new_tokens=50)
        )


def test_a_reply_cut_at_its_limit_counts_as_far_as_it_is_whole() -> None:
    cut = (BOAT[: BOAT.index("blue boat")], "length")
    plan = Planner(FakeWriter(cut)).plan("a fish and a boat")
    assert plan.canvas == canvas("red fish")
    assert plan.reply == FISH
    assert plan.warnings == ("the reply reached its token limit; the canvas has what was whole: 1 regions",)


def test_a_whole_reply_that_ends_at_its_limit_needs_no_warning() -> None:
    assert Planner(FakeWriter((FISH, "length"))).plan("a red fish").warnings == ()


def test_a_reply_cut_before_its_background_is_whole_is_refused() -> None:
    with pytest.raises(CanvasError, match="stops in the middle"):
        Planner(FakeWriter((FISH[:60], "length")), PlanSettings(repairs=0)).plan("a red fish")


def test_a_cancelled_plan_keeps_what_is_whole() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) > len(FISH) // 7 + 5

    plan = Planner(FakeWriter(BOAT)).plan("a fish and a boat", cancelled=cancelled)
    assert plan.canvas == canvas("red fish")
    assert plan.warnings[0].startswith("the reply was cancelled")


def test_a_plan_cancelled_before_anything_is_whole_is_not_asked_for_again() -> None:
    writer = FakeWriter(BOAT, BOAT)
    with pytest.raises(UsageError, match="cancelled before its background was whole"):
        Planner(writer).plan("a fish and a boat", cancelled=lambda: True)
    assert len(writer.asked) == 1


def test_a_closed_stream_has_no_plan() -> None:
    writer = FakeWriter(FISH)
    stream = Planner(writer).stream("a red fish")
    next(stream)
    stream.close()
    assert writer.writings[0].closed
    with pytest.raises(UsageError, match="ended before its plan was complete"):
        stream.plan  # noqa: B018


def test_corrections_are_passed_on() -> None:
    plan = Planner(FakeWriter(FISH.replace("on the left", "on the lefft"))).plan("a red fish")
    assert [str(correction) for correction in plan.corrections] == [
        "line 4: location 'on the lefft' was read as 'on the left'"
    ]


def test_an_empty_wish_is_refused() -> None:
    with pytest.raises(UsageError, match="the wish is empty"):
        Planner(FakeWriter()).plan(" \n")


def test_old_turns_that_do_not_fit_are_left_out_with_a_warning() -> None:
    history = [Turn("a cat", FISH), Turn("a dog", FISH), Turn("a red fish", FISH)]
    writer = FakeWriter(BOAT, context=2 * len(FISH) + 200)
    plan = Planner(writer, PlanSettings(system=None)).plan("add a boat", history=history)
    assert writer.asked[0] == [user("a red fish"), assistant(FISH), user("add a boat")]
    assert len(plan.turns) == 4
    assert "the 2 oldest turns did not fit" in plan.warnings[0]
