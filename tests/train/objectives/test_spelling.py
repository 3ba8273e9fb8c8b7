"""Signs handed on by a Mini-Gemini's mining, and spelled by its language model."""

from pathlib import Path

import pytest
import torch
from rich.text import Text

from gesso.core.errors import ConfigError
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX
from gesso.models.mgm.convert import load_mgm
from gesso.storybook.scene import SIGN_CHARACTERS
from gesso.train.objectives.mined_signs import MinedSignsObjective
from gesso.train.objectives.signs import SignsObjective
from gesso.train.objectives.spelling import PER_SHEET, SpellingObjective
from train.conftest import MakeRecipe
from train.learning import learn

TOWER = (
    "data.size=256", "data.count=4", "data.signs=0",
    "model.shape.detail={hidden_sizes: [48, 16, 16, 16], depths: [0, 1, 1, 1], layer_scale_init_value: 1.0}",
)  # fmt: skip
LORA = "lora={parts: [language], rank: 4, alpha: 4}"


@pytest.fixture
def sheets(make_recipe: MakeRecipe, tmp_path: Path) -> tuple[str, ...]:
    """Settings of recipes that begin with mini-llava and a tiny tower."""
    SignsObjective(make_recipe("signs", *TOWER)).save(tmp_path / "tower")
    return (*TOWER[:3], "model.shape={}", "model.init=mini-llava",
            f"model.detail={tmp_path}/tower", "model.high=256")  # fmt: skip


def test_mining_learns_to_hand_signs_on(
    make_recipe: MakeRecipe, sheets: tuple[str, ...], tmp_path: Path
) -> None:
    objective = MinedSignsObjective(make_recipe("signs", *sheets))
    batch = objective.batch([0, 1], 0)
    frozen = [p for p in objective.module.parameters() if not p.requires_grad]
    before = [p.clone() for p in frozen]
    learned = [p for part in objective.parts.values() for p in part.parameters()]
    told = learn(objective, batch, 12, 5e-3, learned)
    assert told[0]["moved"] < 1e-6  # nothing is mined at first
    assert told[-1]["loss"] < told[0]["loss"]
    assert all(torch.equal(a, b) for a, b in zip(frozen, before, strict=True))
    objective.save(tmp_path / "mined")
    mined = load_mgm(tmp_path / "mined").module
    ours = objective.chat.module.model.detail_mining.state_dict()
    assert all(torch.equal(w, ours[name]) for name, w in mined.model.detail_mining.state_dict().items())


def test_each_conversation_is_about_one_token(make_recipe: MakeRecipe, sheets: tuple[str, ...]) -> None:
    objective = SpellingObjective(make_recipe("spelling", *sheets, LORA))
    batch = objective.batch([0, 1], 3)
    assert len(batch.rows.ids) == len(batch.places) <= 2 * PER_SHEET
    assert (batch.rows.ids == IMAGE_INDEX).sum(1).tolist() == [1] * len(batch.places)
    sheet = SignsObjective.batch(objective, [0, 1], 3)
    tokenizer = objective.chat.processor.tokenizer
    for (row, place), labels in zip(batch.places.tolist(), batch.rows.labels, strict=True):
        answer = tokenizer.decode(labels[labels != IGNORE_INDEX], skip_special_tokens=True).strip()
        sign = "".join(SIGN_CHARACTERS[each - 1] for each in sheet.targets[row, place].tolist() if each > 0)
        assert answer == sign
    assert Text.from_markup(objective.show(0)).plain


def test_adapters_learn_to_spell(make_recipe: MakeRecipe, sheets: tuple[str, ...], tmp_path: Path) -> None:
    objective = SpellingObjective(make_recipe("spelling", *sheets, LORA))
    learned = [p for p in objective.parts["language"].parameters() if p.requires_grad]
    assert 0 < sum(p.numel() for p in learned) < 200_000
    told = learn(objective, objective.batch([0], 0), 12, 1e-2, learned)
    assert told[-1]["loss"] < 0.8 * told[0]["loss"]
    objective.save(tmp_path / "spelling")
    load_mgm(tmp_path / "spelling")


def test_whole_weights_are_refused(make_recipe: MakeRecipe, sheets: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="lora is missing"):
        SpellingObjective(make_recipe("spelling", *sheets))
