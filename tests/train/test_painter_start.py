"""A painter of SD 1.5's shape that begins with what an SDXL-shaped one knows."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from gesso.core.errors import ConfigError
from gesso.train.objectives.diffusion import DiffusionObjective
from train.conftest import MakeRecipe
from train.painting import diffusion, painter_parts

CUT = "model.shape={text_encoder: {num_hidden_layers: 1}}"
"""Of two layers: then it reads what the SDXL-shaped painter reads, under a norm."""


@pytest.fixture
def begun(make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """The folder of an SDXL-shaped painter, and its parts beside it."""
    with torch.no_grad():
        objective = diffusion(make_recipe, tmp_path / "parts", tokenizer)
        for layer in objective.parts["attention"]:
            layer.to_v.weight.mul_(20)  # so that texts count for something
    objective.average.update_parameters(objective.unet)
    objective.save(tmp_path / "sdxl")
    return tmp_path


def start(make_recipe: MakeRecipe, folder: Path, *overrides: str) -> DiffusionObjective:
    parts = [f"model.autoencoder={folder}/parts/vae", f"model.text_encoder={folder}/parts/text"]
    torch.manual_seed(2)
    return DiffusionObjective(make_recipe("diffusion", *parts, *overrides))


def predictions(objective: DiffusionObjective) -> Tensor:
    batch = objective.batch(list(range(8)), 0)
    with torch.no_grad():
        return objective._predict(batch.noise, batch)


def test_it_begins_with_nearly_the_same_predictions(
    make_recipe: MakeRecipe, begun: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    whole = f"model.init={begun}/sdxl"
    parts = painter_parts(make_recipe, begun / "parts", tokenizer)
    known = predictions(DiffusionObjective(make_recipe("diffusion", whole, *parts)))
    ours = start(make_recipe, begun, whole, CUT)
    assert ours.unet.config["addition_embed_type"] is None
    near = (predictions(ours) - known).square().mean()
    with torch.no_grad():
        for layer in ours.parts["attention"][1::2]:  # those that read texts
            layer.to_v.weight.copy_(layer.to_v.weight.flip(1))
    far = (predictions(ours) - known).square().mean()
    assert near < 0.5 * far


def test_attention_is_a_part_of_its_own(make_recipe: MakeRecipe, begun: Path) -> None:
    ours = start(make_recipe, begun, f"model.init={begun}/sdxl", CUT)
    names = {id(p): name for name, p in ours.unet.named_parameters()}
    read = {names[id(p)] for p in ours.parts["attention"].parameters()}
    assert read == {name for name in names.values() if ".attn1." in name or ".attn2." in name}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.init={folder}/parts", CUT), "has no folder unet"),
        (("model.init={folder}/sdxl", "model.shape={unet: {layers_per_block: 1}}"), "is for a new UNet"),
        (("model.init={folder}/sdxl", "model.text_encoder_2={folder}/parts/text-2"), None),
        (("model.init={folder}/sdxl", "model.text_encoder={folder}/parts/text-2",
          "model.text_encoder_2={folder}/parts/text-2"), "reads texts of width"),
    ],
)  # fmt: skip
def test_painters_that_do_not_fit_are_refused(
    make_recipe: MakeRecipe, begun: Path, overrides: tuple[str, ...], message: str | None
) -> None:
    filled = [each.replace("{folder}", str(begun)) for each in overrides]
    if message is None:
        assert start(make_recipe, begun, *filled).unet.config["addition_embed_type"] == "text_time"
        return
    with pytest.raises(ConfigError, match=message):
        start(make_recipe, begun, *filled)
