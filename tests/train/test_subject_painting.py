import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from diffusion.tiny_paint import sd15
from gesso.core.errors import ConfigError
from gesso.diffusion.save import save_folder
from gesso.train.subject_painting import FrozenPainter
from train.conftest import MakeRecipe


def test_storybook_pictures_are_of_the_size_that_is_painted(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    save_folder(sd15(), tmp_path / "painter")
    init = f"model.init={(tmp_path / 'painter').as_posix()}"
    with pytest.raises(ConfigError, match=r"data\.size is 64, and the painter .* pictures of 32 px"):
        FrozenPainter(make_recipe("ip-adapter", init, "data.size=64"))
    own = ("data.source=subjects", "data.path=mine.jsonl", "data.size=64")
    assert FrozenPainter(make_recipe("ip-adapter", init, *own)).latent_shape(torch.zeros(1, 3, 64, 64))


def test_noise_levels_are_those_the_painter_was_trained_with(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    scheduler = {"prediction_type": "v_prediction", "beta_end": 0.02}
    save_folder(dataclasses.replace(sd15(), scheduler=scheduler), tmp_path / "painter")
    recipe = make_recipe("ip-adapter", f"model.init={(tmp_path / 'painter').as_posix()}")
    painter = FrozenPainter(recipe)
    assert painter.settings.prediction == "v_prediction"
    betas = torch.linspace(0.00085**0.5, 0.02**0.5, 1000) ** 2
    torch.testing.assert_close(painter.scheduler.alphas_cumprod, (1 - betas).cumprod(0))


def test_what_is_predicted_follows_the_painter(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    save_folder(sd15(), tmp_path / "painter")
    init = f"model.init={(tmp_path / 'painter').as_posix()}"
    with pytest.raises(ConfigError, match=r"diffusion\.prediction is v_prediction.*trained with epsilon"):
        FrozenPainter(make_recipe("ip-adapter", init, "diffusion={prediction: v_prediction}"))
