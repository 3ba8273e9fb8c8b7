from pathlib import Path

import pytest
import torch

from gesso.core.errors import ConfigError
from gesso.models.mgm.detail_tower import DetailTower
from gesso.storybook.scene import SIGN_CHARACTERS
from gesso.train.objectives.signs import NO_SIGN, PATCHES, SignsObjective, letter_targets, sign_targets
from train.conftest import MakeRecipe
from train.learning import learn

TINY = (
    "data.size=64", "data.count=4", "data.signs=0",
    "model.shape.detail={hidden_sizes: [48, 16, 16, 16], depths: [0, 1, 1, 1], layer_scale_init_value: 1.0}",
)  # fmt: skip


def classes(text: str) -> list[int]:
    found = [1 + SIGN_CHARACTERS.index(character) for character in text]
    return found + [0] * (5 - len(found))


def test_places_say_the_sign_that_they_show_most_of() -> None:
    # a board 17 px high at the bottom of a square of 84 px, around x = 142 and y = 94
    targets = sign_targets([("AB7", (100.0, 20.0, 84.0))], 256).reshape(PATCHES, PATCHES, 5)
    told = {(y, x) for y in range(PATCHES) for x in range(PATCHES) if targets[y, x, 0] != NO_SIGN}
    assert told
    assert told <= {(2, 3), (2, 4), (3, 3), (3, 4), (2, 5), (3, 5)}
    assert all(targets[place].tolist() == classes("AB7") for place in told)


def test_of_two_signs_in_one_place_the_larger_part_counts() -> None:
    small, large = ("A", (0.0, -30.0, 51.0)), ("BBBBB", (0.0, -50.0, 84.0))
    for boards in ([small, large], [large, small]):
        first = sign_targets(boards, 256)[1]
        assert first.tolist() == classes("BBBBB")


def test_letters_lie_side_by_side_on_their_board() -> None:
    cells = letter_targets([("H7", (100.0, 20.0, 84.0))], 256)
    found = [1 + SIGN_CHARACTERS.index(character) for character in "H7"]
    columns = [sorted({int(x) for x in (cells == number).nonzero()[1]}) for number in found]
    assert all(columns)
    assert columns[0][-1] < columns[1][0]
    assert set(cells.flatten().tolist()) == {NO_SIGN, *found}


def test_sheets_are_new_each_time_and_the_same_for_the_same_number(make_recipe: MakeRecipe) -> None:
    objective = SignsObjective(make_recipe("signs", *TINY))
    first, again, other = (objective.batch([0, 1], number) for number in (0, 0, 1))
    assert torch.equal(first.pixels, again.pixels)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.targets, other.targets)
    assert first.letters.shape == (2, 16, 16)
    assert (first.targets[..., 0] != NO_SIGN).any()


def test_a_tower_learns_to_read(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    objective = SignsObjective(make_recipe("signs", *TINY))
    told = learn(objective, objective.batch([0, 1], 0), 30, lr=5e-3)
    assert told[-1]["loss"] < 0.8 * told[0]["loss"]
    objective.save(tmp_path)
    saved = DetailTower.from_pretrained(tmp_path)
    ours = objective.tower.embeddings.patch_embeddings.weight
    assert torch.equal(saved.embeddings.patch_embeddings.weight, ours)


def test_cells_are_named_where_they_lie(make_recipe: MakeRecipe) -> None:
    """The head's four cells of one place come out in the order of the picture."""
    objective = SignsObjective(make_recipe("signs", *TINY))
    batch = objective.batch([0], 0)
    middle = torch.zeros(1, 16, 8, 8)
    logits = objective.cells(middle)
    assert logits.shape == (1, 16, 16, 37)
    with torch.no_grad():
        objective.letters[1].bias.copy_(torch.arange(4).repeat_interleave(37))
    corner = objective.cells(middle)[0, :2, :2, 0]
    assert corner.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert batch.letters.shape[1:] == logits.shape[1:3]


def test_a_picture_without_whole_cells_is_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"data\.size is 48"):
        SignsObjective(make_recipe("signs", *TINY, "data.size=48"))


def test_what_places_say_is_shown(make_recipe: MakeRecipe) -> None:
    shown = SignsObjective(make_recipe("signs", *TINY)).show(0)
    assert len(shown.splitlines()) == PATCHES
