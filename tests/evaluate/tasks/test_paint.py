from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from diffusion.tiny_paint import painter as tiny_painter
from evaluate.judged import Loaded, Picture, ScriptedPainter, judge_of, tiny_judge
from evaluate.stubs import parrot
from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.core.errors import CheckpointError, GessoError, UnknownNameError, UnsupportedError, UsageError
from gesso.diffusion.conditions import prompts_of
from gesso.diffusion.guidance import STRATEGIES
from gesso.diffusion.settings import PaintSettings
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.paint import GUIDANCES, Paints, PaintSample, StorybookPaint
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import split_of
from gesso.train.prompts import conditions

SEED = 5
COUNT = 3


def samples(task: StorybookPaint, count: int = COUNT, seed: int = SEED) -> list[PaintSample]:
    return list(chain.from_iterable(task.rounds(seed, count, 32)))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a judge that knows the true pictures of these samples."""
    scenes = [sample.scene for sample in samples(StorybookPaint())]
    return judge_of(scenes, tmp_path_factory.mktemp("judges") / "judge")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("split", ["test", "novel", "val"])
def test_fresh_scenes_are_told_by_their_canvas(language: str, split: str) -> None:
    for sample in samples(StorybookPaint(language=language, split=split), 6):
        assert split_of(sample.scene) == split
        assert sample.prompt == canvas_program(sample.scene, language)
        assert sample.canvas == read_canvas(sample.prompt).canvas
        assert len(sample.canvas.regions) == len(sample.scene.things) == int(sample.kind.split()[0])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_guidance_a_scene_is_told_by_one_text_as_in_training(language: str) -> None:
    for sample in samples(StorybookPaint(language=language, guidance="none"), 12):
        assert sample.canvas.conditions == conditions(sample.scene, language, "description")
        assert not sample.canvas.regions
        program = canvas_program(sample.scene, language)
        assert sample.canvas.background.colour == read_canvas(program).canvas.background.colour


def test_more_samples_begin_with_the_same_ones() -> None:
    task = StorybookPaint()
    assert samples(task, 9)[:4] == samples(task, 4)
    assert samples(task, 4, seed=6) != samples(task, 4)


def test_every_picture_has_noise_of_its_own_and_the_same_for_every_guidance() -> None:
    noises = {
        tuple(sample.noise for sample in samples(StorybookPaint(guidance=name, language=language), 6))
        for name in GUIDANCES
        for language in ("en", "zh")
    }
    assert len(noises) == 1
    assert len(set(*noises)) == 6


def test_all_strategies_of_the_painter_can_be_chosen() -> None:
    assert {*GUIDANCES} == {*STRATEGIES, "joined"}
    assert {*GUIDANCES.values()} == {*STRATEGIES}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"split": "train"}, UsageError),
        ({"language": "de"}, UnknownNameError),
        ({"guidance": "multi"}, UnknownNameError),
    ],
)
def test_what_the_task_does_not_have_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        StorybookPaint(**wrong)


def test_true_renders_get_every_score(judge: str, tmp_path: Path) -> None:
    task = StorybookPaint(judge=judge)
    engine = ScriptedPainter.of(samples(task))
    plan = Plan(count=COUNT, seed=SEED)
    report = evaluate(Loaded(engine), task, plan, log=tmp_path)
    assert (report.n, report.score) == (COUNT, 1.0)
    assert {report.scores[name].score for name in ("kind", "colour", "pattern", "exact")} == {1.0}
    assert report.scores["stray"].score == 0.0
    assert sum(score.n for name, score in report.scores.items() if "thing" in name) == COUNT
    assert report == evaluate(Loaded(engine), task, plan, log=tmp_path)
    assert len(engine.asked) == COUNT  # the second time nothing was painted anew


def test_pictures_of_other_scenes_score_low_and_are_counted_by_picture(judge: str) -> None:
    task = StorybookPaint(judge=judge)
    report = evaluate(
        Loaded(ScriptedPainter.of(samples(task), shifted=1)), task, Plan(count=COUNT, seed=SEED)
    )
    assert report.score < 0.5
    assert report.n == COUNT


def test_the_painter_gets_the_choices_and_keeps_its_own_settings_otherwise(judge: str) -> None:
    task = StorybookPaint(judge=judge, guidance="gradient", steps=4, scale=2.5)
    engine = ScriptedPainter.of(samples(task))
    evaluate(engine_with_name(engine), task, Plan(count=COUNT, seed=SEED))
    assert engine.asked == [
        replace(engine.defaults, guidance="gradient", steps=4, guidance_scale=2.5, seed=sample.noise)
        for sample in samples(task)
    ]
    plain = StorybookPaint(judge=judge, guidance="none")
    engine = ScriptedPainter.of(samples(plain))
    evaluate(engine_with_name(engine), plain, Plan(count=COUNT, seed=SEED))
    assert {(asked.guidance, asked.steps) for asked in engine.asked} == {("none", engine.defaults.steps)}


def engine_with_name(engine: ScriptedPainter) -> Any:
    """An engine that is evaluated as it is, without a facade around it."""
    engine.name = "scripted"
    return engine


def test_the_log_tells_judges_apart_by_their_weights(judge: str, tmp_path: Path) -> None:
    task = StorybookPaint(judge=judge)
    tiny_judge().save_pretrained(tmp_path / "other")
    other = StorybookPaint(judge=str(tmp_path / "other"))
    assert len(task.settings()["judge"]) == 16
    assert task.settings()["judge"] != other.settings()["judge"]


def test_wrong_settings_and_missing_judges_are_told_before_anything_is_painted(
    judge: str, tmp_path: Path
) -> None:
    engine = ScriptedPainter.of(samples(StorybookPaint()))
    for task, error in (
        (StorybookPaint(judge=judge, steps=0), UsageError),
        (StorybookPaint(judge=judge, scale=0.5), UsageError),
        (StorybookPaint(judge=str(tmp_path)), CheckpointError),
    ):
        with pytest.raises(error):
            evaluate(Loaded(engine), task, Plan(count=1), log=tmp_path / "log")
    assert not engine.asked
    assert not (tmp_path / "log").exists()


def test_who_does_not_paint_is_refused(judge: str) -> None:
    for model in (parrot(), Loaded(object(), "parrot")):
        with pytest.raises(UnsupportedError, match="for painters, which parrot is not"):
            evaluate(model, StorybookPaint(judge=judge), Plan(count=1))


def test_a_picture_that_cannot_be_painted_is_named(judge: str) -> None:
    task = StorybookPaint(judge=judge)

    class Failing(ScriptedPainter):
        def paint(self, canvas: Canvas, settings: PaintSettings | None = None) -> list[Picture]:
            if canvas == samples(task)[1].canvas:
                raise UsageError("too large")
            return super().paint(canvas, settings)

    with pytest.raises(GessoError, match="gave no answer to sample 1: too large"):
        evaluate(Loaded(Failing.of(samples(task))), task, Plan(count=COUNT, seed=SEED))


class TinyEngine:
    """A real painter at tiny size, as the painting engine has it."""

    defaults = PaintSettings(size=(48, 32), steps=2)

    def paint(self, canvas: Canvas, settings: PaintSettings | None = None) -> Sequence[Picture]:
        pictures = tiny_painter().paint(prompts_of(canvas), settings or self.defaults)
        return [Picture(picture) for picture in pictures]


def test_a_real_painter_paints_another_picture_under_every_guidance(judge: str) -> None:
    engine = TinyEngine()
    assert isinstance(engine, Paints)
    pictures = set()
    for name in GUIDANCES:
        task = StorybookPaint(judge=judge, guidance=name)
        sample = min(samples(task), key=lambda sample: len(sample.scene.things))
        pictures.add(task.paint(engine, sample).tobytes())
        (record,) = task.ask(Loaded(engine), [sample], 1)
        assert 0 <= record.score <= 1
    assert len(pictures) == len(GUIDANCES)
