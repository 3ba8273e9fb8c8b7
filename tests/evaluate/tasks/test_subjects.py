import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

from engines.subjects import moma_folder
from evaluate.judged import judge_of
from gesso.api import Model
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.engines.paint_build import PaintLoading
from gesso.engines.personalize_build import SubjectLoading, load_personalizer
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.subjects import ADAPTERS, StorybookSubjects
from gesso.storybook.draw import draw
from gesso.storybook.subjects import subject_group

SEED, COUNT = 3, 12
SIDE = 128


@dataclass
class Oracle:
    """Paints the true picture of the canvases it knows, or one in which the subjects have changed places."""

    turned: bool = False
    name: str = "oracle"
    strengths: list[float] = field(default_factory=list)
    seen: list[list[int]] = field(default_factory=list)

    def __post_init__(self):
        self.engine = SimpleNamespace(
            defaults=PaintSettings(size=(SIDE, SIDE)), paint=lambda canvas, _: self.picture(canvas)
        )
        task = StorybookSubjects()
        rounds = [each for group in task.rounds(SEED, COUNT, 4) for each in group]
        self.groups = {sample.canvas: sample.group for sample in rounds}
        full = [
            each for group in replace(task, adapter="full-words").rounds(SEED, COUNT, 4) for each in group
        ]
        self.groups |= {sample.canvas: sample.group for sample in full}

    def look(self, image, mask, noun):
        assert image.size == (SIDE, SIDE)
        assert 0 < np.asarray(mask).mean() < 255
        return noun

    def paint(self, seen, prompt, settings, *, strength):
        raise AssertionError("no canvas")

    def paint_canvas(self, canvas, seen, settings, *, strength):
        self.strengths.append(strength)
        self.seen.append([number for number, _ in seen])
        for number, noun in seen:
            assert noun in canvas.regions[number - 1].description
        return self.picture(canvas)

    def picture(self, canvas):
        scene = self.groups[canvas].target
        if self.turned:
            things = scene.reading_order
            moved = [
                replace(thing, location=place.location, offset=place.offset, size=place.size)
                for thing, place in zip(things, (*things[1:], things[0]), strict=True)
            ]
            scene = replace(scene, things=tuple(moved))
        return [SimpleNamespace(image=draw(scene, SIDE))]


def run(oracle, tmp_path, **choices):
    model = SimpleNamespace(name="oracle", engine=oracle)
    return evaluate(model, StorybookSubjects(**choices), Plan(count=COUNT, seed=SEED), log=tmp_path)


def test_subjects_in_their_own_regions_are_on_the_diagonal(tmp_path):
    oracle = Oracle()
    report = run(oracle, tmp_path, strength=0.6)
    assert report.score >= 0.9
    assert report.scores["own"].score >= 0.9
    assert report.scores["others"].score <= 0.05
    assert set(oracle.strengths) == {0.6}
    assert sorted(map(len, report.matrices.values())) == [2, 3]
    for title, matrix in report.matrices.items():
        size = len(matrix)
        assert title == f"subjects in regions, of {size}"
        assert matrix[0][0].n == report.scores[f"{size} subjects"].n
        shares = np.array([[each.score for each in row] for row in matrix])
        assert shares.diagonal().min() >= 0.7
        assert (shares - np.diag(shares.diagonal())).max() <= 0.2
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert written["matrices"] == json.loads(json.dumps(report.to_dict()["matrices"]))
    assert "in regions, of 2 [1,2]" in (tmp_path / "samples.jsonl").read_text("utf-8")


def test_subjects_that_have_changed_places_are_off_the_diagonal(tmp_path):
    report = run(Oracle(turned=True), tmp_path)
    assert report.scores["own"].score <= 0.1
    assert report.score <= 0.1
    assert report.scores["others"].score >= 0.4
    pairs = report.matrices["subjects in regions, of 2"]
    assert pairs[0][1].score >= 0.7
    assert pairs[1][0].score >= 0.7


@pytest.mark.parametrize("adapter", ["words", "full-words"])
def test_words_alone_come_without_references(tmp_path, adapter):
    oracle = Oracle()
    assert run(oracle, tmp_path, adapter=adapter).score >= 0.9
    assert oracle.seen == []


def test_the_canvas_tells_kinds_and_full_words_tell_looks():
    tasks = {name: StorybookSubjects(adapter=name) for name in ADAPTERS}
    samples = {name: next(iter(task.rounds(SEED, 4, 4))) for name, task in tasks.items()}
    for moma, words, full in zip(*(samples[name] for name in ADAPTERS), strict=True):
        assert (moma.canvas, moma.noise, moma.group) == (words.canvas, words.noise, words.group)
        assert (moma.noise, moma.group) == (full.noise, full.group)
        for bare, told, thing in zip(
            moma.canvas.regions, full.canvas.regions, moma.group.subjects, strict=True
        ):
            assert bare.description.split()[1:] == [thing.kind]
            assert bare.colour == "gray"
            assert thing.colour in told.description
            assert bare.box == told.box


def test_subjects_are_known_from_pictures_of_their_own():
    for split in ("test", "novel", "val"):
        for number in range(6):
            group = subject_group(split, 1, number)
            assert group == subject_group(split, 1, number)
            assert len(group.references) == len(group.subjects) in (2, 3)
            for scene, thing in zip(group.references, group.subjects, strict=True):
                (known,) = scene.things
                assert (known.kind, known.colour, known.pattern) == (thing.kind, thing.colour, thing.pattern)
                assert known.location != thing.location
    assert subject_group("test", 1, 0) != subject_group("test", 2, 0)


def test_an_untrained_painter_can_be_evaluated(tmp_path):
    folder = moma_folder(tmp_path / "model")
    moma = load_personalizer(str(folder), SubjectLoading(paint=PaintLoading(device="cpu")))
    moma.engine.defaults = replace(moma.engine.defaults, size=(32, 32))
    judge = judge_of([subject_group("test", 0, 0).target], tmp_path / "judge")
    for adapter in ("moma", "words"):
        task = StorybookSubjects(adapter=adapter, steps=2, judge=judge)
        report = evaluate(Model("tiny", moma), task, Plan(count=2), log=tmp_path / adapter)
        assert report.n == 2
        assert report.matrices
        assert all(0 <= each.score <= 1 for rows in report.matrices.values() for row in rows for each in row)


def test_choices_that_mean_nothing_are_refused():
    with pytest.raises(UnknownNameError, match="adapter"):
        StorybookSubjects(adapter="glue")
    with pytest.raises(UsageError):
        StorybookSubjects(split="train")
    with pytest.raises(UnsupportedError, match="mini-moma"):
        StorybookSubjects().check(SimpleNamespace(name="x"), 1)
    alone = SimpleNamespace(engine=1, look=1, paint=1)
    with pytest.raises(UnsupportedError, match="evaluate it on storybook-subject"):
        StorybookSubjects().check(SimpleNamespace(name="x", engine=alone), 1)
