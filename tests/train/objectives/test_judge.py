from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import ImageStat
from transformers import ResNetForImageClassification

from gesso.core.errors import ConfigError
from gesso.storybook.draw import draw
from gesso.storybook.judging import JUDGED, UNJUDGED, crop, labels_of, overlap
from gesso.storybook.splits import scene_at
from gesso.train.objectives.judge import JudgeObjective, _look, roughened
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import JUDGE


def judge(make_recipe: MakeRecipe, *overrides: str) -> JudgeObjective:
    torch.manual_seed(0)
    return JudgeObjective(make_recipe("judge", JUDGE, *overrides))


def test_a_batch_holds_crops_and_the_right_answers(make_recipe: MakeRecipe) -> None:
    objective = judge(make_recipe)
    batch = objective.batch([3, 0, 5], number=2)
    assert batch.pixels.shape == (3, 3, 64, 64)
    assert -1 <= float(batch.pixels.min()) < float(batch.pixels.max()) <= 1
    assert batch.labels.shape == (3, len(JUDGED))
    for labels, index in zip(batch.labels.tolist(), (3, 0, 5), strict=True):
        possible = [labels_of(thing) for thing in objective.pictures.scene(index).things]
        assert tuple(labels) in [labels_of(None), *possible]
    assert torch.equal(objective.batch([3, 0, 5], number=2).pixels, batch.pixels)


def test_what_is_looked_at_shows_its_thing_or_none() -> None:
    shown = {"thing": 0, "nothing": 0}
    for seed in range(300):
        scene = scene_at("train", 1, seed)
        box, labels = _look(scene, Random(seed))
        side = box[2] - box[0]
        assert box[3] - box[1] == pytest.approx(side)
        if labels == labels_of(None):
            shown["nothing"] += 1
            # moved by up to 8 % after it was found free
            assert all(overlap(box, thing.box) < 0.6 for thing in scene.things)
        else:
            shown["thing"] += 1
            own = [thing for thing in scene.things if labels_of(thing) == labels]
            assert max(overlap(thing.box, box) for thing in own) > 0.75
    assert 0.1 < shown["nothing"] / 300 < 0.3


def test_rough_crops_are_near_the_clean_ones() -> None:
    scene = scene_at("train", 1, 4)
    clean = crop(draw(scene, 128), scene.things[0].box)
    changed = 0
    for seed in range(20):
        rough = roughened(clean, Random(seed))
        assert rough.size == clean.size
        assert rough.mode == "RGB"
        far = np.abs(np.asarray(rough, float) - np.asarray(clean, float)).mean()
        assert far < 30
        changed += far > 0
        assert ImageStat.Stat(rough).mean == pytest.approx(ImageStat.Stat(clean).mean, abs=25)
    assert changed >= 19


def test_the_judge_learns_and_is_saved_with_its_labels(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    objective = judge(make_recipe)
    batch = objective.batch([0, 1, 2, 3], 0)
    told = learn(objective, batch, 15, 1e-2, objective.parts["judge"].parameters())
    assert told[-1]["loss"] < 0.3 * told[0]["loss"]
    assert told[-1]["kind"] == 1
    objective.save(tmp_path / "judge")
    model = ResNetForImageClassification.from_pretrained(tmp_path / "judge")
    assert model.config.id2label[0] == "kind=nothing"
    assert len(model.config.id2label) == sum(map(len, JUDGED.values()))


def test_the_loss_is_the_sum_of_the_questions_means(make_recipe: MakeRecipe) -> None:
    objective = judge(make_recipe)
    batch = next(
        found
        for number in range(50)
        if bool(((found := objective.batch([0, 1, 2, 3], number)).labels[:, 1] == UNJUDGED).any())
    )
    loss, _ = objective.loss(batch)
    parts = objective.model(batch.pixels).logits.split([len(names) for names in JUDGED.values()], dim=1)
    expected = 0.0
    for column, logits in enumerate(parts):
        labels = batch.labels[:, column]
        asked = labels != UNJUDGED
        chances = logits.log_softmax(1)[asked].gather(1, labels[asked, None])
        expected -= float(chances.mean().detach())
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_what_is_shown_is_the_answer(make_recipe: MakeRecipe) -> None:
    objective = judge(make_recipe)
    for index in range(4):
        shown = objective.show(index)
        said = shown.split("[green]")[1].removesuffix("[/green]").split()
        kinds = {"nothing", *(thing.kind for thing in objective.pictures.scene(index).things)}
        assert said[0] in kinds


def test_an_unknown_size_is_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"model\.shape\.judge has depht, unknown to ResNetConfig"):
        judge(make_recipe, "model.shape.judge.depht=3")
