from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import tiny
from evaluate.stubs import ScriptedEncoder
from gesso.canvas.canvas import Region
from gesso.canvas.parse import read_canvas
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Message
from gesso.core.results import Answer, Usage
from gesso.engines.chat import Chat
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_local import LocalWriter
from gesso.engines.plan_turns import Turn
from gesso.engines.plan_writers import PlanStats
from gesso.engines.text_chat import TextChat
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.canvas import CanvasSample, StorybookCanvas, StorybookCanvasFree
from gesso.storybook.compose import EDIT_KINDS, canvas_program
from gesso.storybook.splits import split_of


class Scripted:
    """Answers conversations by a script over their texts."""

    name = "scripted"

    def __init__(self, script: Callable[[list[str]], str]) -> None:
        self._script = script
        self.sampling: list[dict[str, Any]] = []

    def batch(self, conversations: Sequence[Sequence[Message]], **sampling: Any) -> list[Answer]:
        self.sampling.append(sampling)
        texts = [[message.text for message in messages] for messages in conversations]
        return [Answer(self._script(said), "stop", Usage(1, 1)) for said in texts]


class Writing:
    """One reply, in two pieces."""

    finish_reason = "stop"

    def __init__(self, text: str) -> None:
        self._pieces = iter((text[:9], text[9:]))

    def __iter__(self) -> "Writing":
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    @property
    def stats(self) -> PlanStats:
        return PlanStats()

    def close(self) -> None:
        pass


class ScriptedWriter:
    """A planner's language model by a script."""

    context = None

    def __init__(self, script: Callable[[list[str]], str]) -> None:
        self._script = script

    def count(self, messages: Sequence[Message]) -> int:
        return 0

    def write(self, messages: Sequence[Message], sampling: Any, *, cancelled: Any = None) -> Writing:
        return Writing(self._script([message.text for message in messages]))


class Loaded:
    """What `gesso.load` gives: a name and an engine."""

    def __init__(self, engine: object) -> None:
        self.name, self.engine = "loaded", engine

    def batch(self, conversations: Sequence[object], **sampling: Any) -> list[Answer]:
        raise UnsupportedError("it plans canvases and does not chat")


def samples(task: StorybookCanvas, count: int = 16, seed: int = 3) -> list[CanvasSample]:
    return list(chain.from_iterable(task.rounds(seed, count, 5)))


def oracle(task: StorybookCanvas, count: int = 16) -> Callable[[list[str]], str]:
    truth = {
        (*chain.from_iterable((t.wish, t.reply) for t in s.turns), s.prompt): s.target
        for s in samples(task, count)
    }
    return lambda said: truth[tuple(said)]


def shown(program: str) -> set[Region]:
    """The regions of a program, whatever their order: programs keep that of the wish."""
    return set(read_canvas(program).canvas.regions)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("split", ["test", "novel", "val"])
def test_wishes_and_edits_of_fresh_scenes_in_turn(language: str, split: str) -> None:
    found = samples(StorybookCanvas(language=language, split=split), 6)
    assert [sample.kind.split(":")[0] for sample in found] == ["plan", "edit"] * 3
    for sample in found:
        assert split_of(sample.scene) == split
        if sample.change is None:
            assert sample.turns == ()
            assert shown(sample.target) == shown(canvas_program(sample.scene, language))
        else:
            assert split_of(sample.change.scene) == split
            assert sample.prompt == sample.change.instruction
            (turn,) = sample.turns
            assert shown(turn.reply) == shown(canvas_program(sample.scene, language))
            assert shown(sample.target) == shown(canvas_program(sample.change.scene, language))


def test_more_samples_begin_with_the_same_ones() -> None:
    task = StorybookCanvas()
    assert samples(task, 12)[:5] == samples(task, 5)
    assert samples(task, 5, seed=4) != samples(task, 5)


def test_only_the_chosen_kinds_are_asked() -> None:
    assert all(sample.change is not None for sample in samples(StorybookCanvas(kinds=("edit",)), 6))
    assert StorybookCanvas(kinds=("edit", "plan")).settings() == StorybookCanvas().settings()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"split": "train"}, UsageError),
        ({"language": "de"}, UnknownNameError),
        ({"kinds": ("plans",)}, UnknownNameError),
        ({"kinds": ()}, UsageError),
    ],
)
def test_what_the_task_does_not_have_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        StorybookCanvas(**wrong)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_knows_the_scenes_gets_every_score(language: str) -> None:
    task = StorybookCanvas(language=language)
    model = Scripted(oracle(task))
    report = evaluate(model, task, Plan(count=16, seed=3, batch=5))
    assert (report.n, report.score) == (16, 1.0)
    assert {score.score for score in report.scores.values()} == {1.0}
    assert report.scores["plan: parse"].n == report.scores["edit: kept"].n == 8
    edits = [name.removeprefix("edit: ") for name in report.scores if name.startswith("edit: ")]
    assert set(edits) <= {"parse", "done", "kept", *EDIT_KINDS}
    assert model.sampling[-1]["temperature"] == 0.0


def test_who_repeats_the_last_canvas_keeps_all_and_changes_nothing() -> None:
    task = StorybookCanvas(kinds=("edit",))
    report = evaluate(Scripted(lambda said: said[1]), task, Plan(count=8, seed=3))
    assert report.score == 0.0
    assert report.scores["edit: kept"].score == 1.0
    assert report.scores["edit: done"].score == 0.0


def test_replies_without_a_program_are_counted() -> None:
    report = evaluate(Scripted(lambda said: "no"), StorybookCanvas(), Plan(count=8, seed=3))
    assert report.score == 0.0
    assert set(report.scores) & {"plan: parse", "plan: place", "edit: parse", "edit: done"} == {
        "plan: parse",
        "edit: parse",
    }


def test_a_planner_is_asked_as_users_ask_it(tmp_path: Path) -> None:
    task = StorybookCanvas()
    planner = Planner(ScriptedWriter(oracle(task)), PlanSettings(system=None))
    report = evaluate(Loaded(planner), task, Plan(count=16, seed=3), log=tmp_path)
    assert report.score == 1.0
    assert report == evaluate(Loaded(planner), task, Plan(count=16, seed=3), log=tmp_path)


def test_a_planner_without_a_canvas_does_not_stop_the_evaluation() -> None:
    planner = Planner(ScriptedWriter(lambda said: "no"), PlanSettings(system=None))
    report = evaluate(Loaded(planner), StorybookCanvas(), Plan(count=4, seed=3))
    assert (report.n, report.score) == (4, 0.0)


def test_the_free_task_asks_the_language_model_behind_a_planner_without_its_grammar() -> None:
    chat = Chat(TextChat(tiny.llama(positions=64)), tiny.TinyProcessor())
    task = StorybookCanvasFree()
    sample = samples(task, 1)[0]
    short = CanvasSample("0", "plan: 1 thing", "a cat", sample.target, (), sample.scene, None)
    later = CanvasSample("1", "plan: 1 thing", "red", "", (Turn("a cat", "ok"),), sample.scene, None)
    planner = Planner(LocalWriter(chat, grammar=None), PlanSettings(system="hi"))
    records = task.ask(Loaded(planner), [short, later], 2)
    assert [(record.score, dict(record.extras)) for record in records] == [(0.0, {"plan: parse": 0.0})] * 2
    with pytest.raises(UnsupportedError, match="in memory"):
        task.ask(Loaded(Planner(ScriptedWriter(lambda said: "no"))), [short], 1)


def test_models_that_neither_plan_nor_chat_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(UnsupportedError, match="encoder"):
        evaluate(ScriptedEncoder([], 32), StorybookCanvas(), Plan(count=4))
    with pytest.raises(UnsupportedError, match="does not chat"):
        evaluate(Loaded(object()), StorybookCanvas(), Plan(count=4))
