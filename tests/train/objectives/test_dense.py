from pathlib import Path

import numpy as np
import pytest
import torch
from rich.text import Text
from transformers import CLIPVisionModel

from gesso.canvas.vocabulary import LOCATIONS
from gesso.core.errors import TrainingError
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, PLACES, SIZES, Scene, Thing, sample_scene
from gesso.storybook.splits import TRAIN_PAIRS
from gesso.train.objectives.dense import (
    ATTRIBUTES,
    DenseHead,
    DenseObjective,
    dense_targets,
    normalise,
    picture_batch,
)
from train.conftest import MakeRecipe
from train.learning import learn

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)
IGNORED = -100


def test_every_patch_is_told_what_it_shows() -> None:
    targets = dense_targets(Scene(0, "sea", (FISH, TREE)), np.array([[0, 1], [2, 1]], np.uint8))
    assert targets.shape == (4, len(ATTRIBUTES))
    told = [dict(zip((name for name, _ in ATTRIBUTES), row, strict=True)) for row in targets.tolist()]
    sea = PLACES.index("sea")
    fish = {
        "thing": 1,
        "kind": KINDS.index("fish"),
        "colour": COLOURS.index("red"),
        "pattern": PATTERNS.index("striped"),
        "second_colour": COLOURS.index("blue") + 1,
        "size": list(SIZES).index("small"),
        "location": list(LOCATIONS).index("on the left"),
        "place": sea,
    }
    tree = {
        "thing": 1,
        "kind": KINDS.index("tree"),
        "colour": COLOURS.index("green"),
        "pattern": PATTERNS.index("plain"),
        "second_colour": 0,
        "size": list(SIZES).index("large"),
        "location": list(LOCATIONS).index("on the right"),
        "place": sea,
    }
    assert told == [{**dict.fromkeys(fish, IGNORED), "thing": 0, "place": sea}, fish, tree, fish]


def test_every_attribute_has_a_class_for_each_value() -> None:
    logits = DenseHead(32)(torch.randn(2, 5, 32))
    assert [part.shape for part in logits] == [(2, 5, size) for _, size in ATTRIBUTES]
    one_of_each = dense_targets(sample_scene(3, pairs=TRAIN_PAIRS), np.ones((1, 1), np.uint8))
    assert all(0 <= value < size for value, (_, size) in zip(one_of_each[0], ATTRIBUTES, strict=True))


def test_the_loss_is_the_sum_of_the_attributes_means() -> None:
    torch.manual_seed(0)
    head = DenseHead(8)
    features = torch.randn(1, 4, 8)  # class token and three patches
    rows = dense_targets(Scene(0, "sea", (FISH, TREE)), np.array([[0, 1, 2]], np.uint8)).tolist()
    loss, figures = head.loss(features, torch.tensor([rows]))
    expected = {}
    for number, ((name, _), logits) in enumerate(zip(ATTRIBUTES, head(features[:, 1:]), strict=True)):
        chances = logits[0].log_softmax(-1)
        picked = [chances[patch, row[number]] for patch, row in enumerate(rows) if row[number] != IGNORED]
        expected[name] = -float(torch.stack(picked).mean().detach())
    assert figures == pytest.approx(expected)
    assert float(loss.detach()) == pytest.approx(sum(expected.values()))


def test_pictures_without_a_visible_thing_have_a_loss() -> None:
    targets = dense_targets(Scene(0, "sea", (FISH,)), np.zeros((1, 1), np.uint8))
    assert torch.isfinite(DenseHead(8).loss(torch.randn(1, 2, 8), torch.from_numpy(targets)[None])[0])


def test_pixels_are_normalised_as_clip_does() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 128, 0)
    out = normalise(pixels)
    assert out.shape == (1, 3, 2, 2)
    expected = [(1 - 0.48145466) / 0.26862954, (128 / 255 - 0.4578275) / 0.26130258, -0.40821073 / 0.27577711]
    assert out[0, :, 0, 1].tolist() == pytest.approx(expected, rel=1e-5)


def test_a_batch_holds_pictures_and_their_targets(make_recipe: MakeRecipe) -> None:
    objective = DenseObjective(make_recipe("dense"))
    batch = objective.batch([3, 0], number=9)
    assert objective.examples == 8
    assert batch.pixels.shape == (2, 3, 32, 32)
    assert batch.targets.shape == (2, 16, len(ATTRIBUTES))
    assert torch.equal(batch.pixels[1:], picture_batch(objective.pictures, [0]))
    own = dense_targets(objective.pictures.scene(3), objective.pictures.grid(3))
    assert batch.targets[0].tolist() == own.tolist()


def test_a_tower_can_go_on_from_a_folder(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    first = DenseObjective(make_recipe("dense"))
    first.save(tmp_path / "tower")
    second = DenseObjective(make_recipe("dense", f"model.init={tmp_path.as_posix()}/tower"))
    weights = second.tower.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in first.tower.state_dict().items())


def test_the_tower_learns_and_is_saved_without_its_head(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    torch.manual_seed(0)
    objective = DenseObjective(make_recipe("dense"))
    batch = objective.batch([0, 1], 0)
    told = learn(objective, batch, 12, 3e-3, objective.parts["vision"].parameters())
    assert told[-1]["loss"] < 0.7 * told[0]["loss"]
    assert told[-1]["tokens"] == 32
    objective.save(tmp_path / "tower")
    tower = CLIPVisionModel.from_pretrained(tmp_path / "tower")
    assert tower.state_dict().keys() == objective.tower.state_dict().keys()
    assert all(
        torch.equal(weight, tower.state_dict()[name]) for name, weight in objective.tower.state_dict().items()
    )


def test_the_kinds_of_the_patches_are_shown(make_recipe: MakeRecipe) -> None:
    objective = DenseObjective(make_recipe("dense"))
    for example in range(8):
        grid, things = objective.pictures.grid(example), objective.pictures.scene(example).things
        shown = Text.from_markup(objective.show(example)).plain.split()
        assert shown == [things[number - 1].kind if number else "-" for number in grid.flatten()]


def test_the_last_layer_is_not_read(make_recipe: MakeRecipe) -> None:
    objective = DenseObjective(make_recipe("dense"))
    objective.loss(objective.batch([0, 1], 0))[0].backward()
    layers = {
        name.split(".")[0]: p.grad for name, p in objective.tower.named_parameters() if "layers.1." in name
    }
    assert layers
    assert all(grad is None for grad in layers.values())


def test_pictures_of_another_size_than_the_towers_are_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(TrainingError, match=r"data\.size is 64 but the tower takes 32 px"):
        DenseObjective(make_recipe("dense", "data.size=64"))
