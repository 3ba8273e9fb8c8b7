"""One text encoder that tells a UNet what two told it."""

from pathlib import Path

import pytest
import torch
from rich.text import Text
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from gesso.core.errors import ConfigError, TrainingError
from gesso.diffusion.load import read_folder
from gesso.train.objectives.diffusion import DiffusionObjective
from gesso.train.objectives.text_distil import TextDistilObjective
from gesso.train.painter_texts import PainterTexts
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import UNET, diffusion

CUT = "model.shape={text_encoder: {num_hidden_layers: 1}}"


@pytest.fixture
def begun(make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """The folder of an SDXL-shaped painter, and its parts beside it."""
    diffusion(make_recipe, tmp_path / "parts", tokenizer).save(tmp_path / "sdxl")
    return tmp_path


def start(make_recipe: MakeRecipe, folder: Path, *overrides: str) -> TextDistilObjective:
    parts = [f"model.init={folder}/sdxl", f"model.text_encoder={folder}/parts/text-2", CUT]
    torch.manual_seed(3)
    return TextDistilObjective(make_recipe("text-distil", *parts, *overrides))


def keys_values(folder: Path, ids: Tensor) -> list[Tensor]:
    """What each layer of a painter of two encoders reads of windows, [W, T, n]."""
    model = read_folder(folder)
    texts = PainterTexts.of(model)
    alone = torch.ones(len(ids), dtype=torch.long)
    states, _ = texts(ids, alone, alone.bool())
    layers = [layer for name, layer in model.unet.named_modules() if name.endswith("attn2")]
    with torch.no_grad():
        return [each(states) for layer in layers for each in (layer.to_k, layer.to_v)]


def test_differences_are_those_of_keys_and_values(make_recipe: MakeRecipe, begun: Path) -> None:
    """Two windows are as far from each other as keys and values of them are, each layer's alike."""
    objective = start(make_recipe, begun)
    known = objective.batch(list(range(1000)), 0)
    spreads = [each.flatten(0, 1).var(0).sum() for each in keys_values(begun / "sdxl", known)]
    ids = objective.batch([0, 1], 5)
    read = objective.read(objective._old(ids))
    found = (read[0] - read[1]).square().sum(dim=1)
    pairs = zip(keys_values(begun / "sdxl", ids), spreads, strict=True)
    far = [(each[0] - each[1]).square().sum(dim=1) / spread for each, spread in pairs]
    torch.testing.assert_close(found, torch.stack(far).mean(0), rtol=1e-3, atol=1e-5)


def test_all_that_is_read_varies_by_one(make_recipe: MakeRecipe, begun: Path) -> None:
    objective = start(make_recipe, begun)
    read = objective.read(objective._old(objective.batch(list(range(1000)), 0)))
    assert float(read.flatten(0, 1).var(0).sum()) == pytest.approx(1, rel=1e-3)


def test_it_learns_what_the_two_tell(make_recipe: MakeRecipe, begun: Path, tmp_path: Path) -> None:
    objective = start(make_recipe, begun)
    batch, trained = objective.batch(list(range(32)), 0), objective.parts["text"].parameters()
    told = learn(objective, batch, 80, 3e-3, trained)
    assert told[-1]["loss"] < 0.7 * told[0]["loss"] < 0.7
    objective.save(tmp_path / "new")
    saved = CLIPTextModel.from_pretrained(tmp_path / "new")
    ids = objective.batch([0, 1], 9)
    with torch.no_grad():
        torch.testing.assert_close(saved(ids).last_hidden_state, objective.encoder(ids).last_hidden_state)


def test_a_window_is_shown_with_how_it_is_told(make_recipe: MakeRecipe, begun: Path) -> None:
    objective = start(make_recipe, begun, "diffusion.dropout=0", "diffusion.regions=1")
    first, second = Text.from_markup(objective.show(0)).plain.splitlines()
    assert first.startswith("window of scene 0, told by regions: ")
    assert second == "what a UNet reads of its 77 tokens"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.init={folder}/parts", "has no folder unet"),
        ("model.init={folder}/sd", "has one text encoder; give one of SDXL's shape"),
        ("model.text_encoder=runs/missing", "is no folder"),
        ("diffusion.window=90", "do not fit a text encoder of 77 positions"),
    ],
)
def test_what_does_not_fit_is_refused(
    make_recipe: MakeRecipe, begun: Path, override: str, message: str
) -> None:
    parts = [f"model.autoencoder={begun}/parts/vae", f"model.text_encoder={begun}/parts/text"]
    DiffusionObjective(make_recipe("diffusion", UNET, *parts)).save(begun / "sd")
    with pytest.raises((ConfigError, TrainingError), match=message):
        start(make_recipe, begun, override.replace("{folder}", str(begun)))
