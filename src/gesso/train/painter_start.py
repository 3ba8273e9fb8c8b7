"""A UNet to begin with: one of the same shape, or an SDXL-shaped one made into one of SD 1.5's shape.

The two shapes differ in what enters: SD 1.5's reads the states of one text encoder, and knows neither a
pooled state nor sizes. What an SDXL-shaped UNet reads of its two encoders is linear in their states, so where
those follow linearly from the other encoder's, its weights take that in; the pooled state and sizes become
what they are on average, a constant beside the timestep.

Letters: W windows, T ids of a window, N = W * T, D1 + D2 width of the old states, D of the new ones.
"""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.load import read_folder
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.parts import PaintModel
from gesso.storybook.splits import scene_at
from gesso.train.painter_texts import PainterTexts
from gesso.train.prompts import Form, Windows, conditions

__all__ = ["attention_layers", "begin_unet", "read_start"]

SCENES = 400
"""Whose texts tell how the new encoder's states follow from the old ones'."""

FORMS: tuple[Form, ...] = ("regions", "description", "caption")


def begin_unet(recipe: Recipe, texts: PainterTexts, windows: Windows) -> UNet2DConditionModel | None:
    """The UNet of the painter in `model.init`; None without one.

    Raises:
        ConfigError: `model.init` is no painter's folder, or its UNet reads other texts than the recipe's.
    """
    if recipe.model.init is None:
        return None
    if "unet" in recipe.model.shape:
        raise ConfigError(f"model.shape.unet is for a new UNet, and model.init {recipe.model.init} has one; "
                          "leave one of them out")  # fmt: skip
    model = read_start(recipe.model.init)
    if model.text.encoders[1:] and texts.second is None:
        return _of_one_encoder(model, recipe, texts, windows)
    width = model.unet.config["cross_attention_dim"]
    if width != texts.width:
        raise ConfigError(f"the UNet of model.init reads texts of width {width}, and the recipe's text "
                          f"encoders give {texts.width}; give those it was trained with")  # fmt: skip
    return model.unet


def read_start(init: str) -> PaintModel:
    """The painter of `model.init`.

    Raises:
        ConfigError: it is no painter's folder.
    """
    if not (Path(init) / "unet").is_dir():
        raise ConfigError(f"model.init {init} has no folder unet; give what mini/sdxl wrote")
    return read_folder(Path(init))


def attention_layers(unet: UNet2DConditionModel) -> nn.ModuleList:
    """The layers by which a UNet reads itself and texts."""
    return nn.ModuleList([each for name, each in unet.named_modules() if name.endswith(("attn1", "attn2"))])


@torch.no_grad()
def _of_one_encoder(
    model: PaintModel, recipe: Recipe, texts: PainterTexts, windows: Windows
) -> UNet2DConditionModel:
    """A UNet of SD 1.5's shape that begins with what an SDXL-shaped one knows."""
    old = PainterTexts.of(model)
    ids, counts = _told(recipe, windows)
    raw = torch.zeros(len(counts), dtype=torch.bool)
    known, pooled = old(ids, counts, raw)
    found, _ = texts(ids, counts, raw)
    # [N, D] x [D, D1 + D2] = [N, D1 + D2]
    follows = torch.linalg.lstsq(found.flatten(0, 1), known.flatten(0, 1)).solution
    config = {
        name: value
        for name, value in model.unet.config.items()
        if not name.startswith(("_", "addition", "projection"))
    }
    unet = UNet2DConditionModel(**{**config, "cross_attention_dim": texts.width})
    state = {key: value for key, value in model.unet.state_dict().items() if key in unet.state_dict()}
    for key in state:
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            state[key] = state[key] @ follows.T  # [.., D1 + D2] x [D1 + D2, D]
    state["time_embedding.linear_2.bias"] = state["time_embedding.linear_2.bias"] + _constant(
        model.unet, pooled, recipe.data.size
    )
    unet.load_state_dict(state)
    return unet


def _constant(unet: UNet2DConditionModel, pooled: Tensor | None, size: int) -> Tensor:
    """What pooled states [W, D2] and the picture's size add to the timestep's embedding, on average."""
    assert pooled is not None  # of two encoders
    added = NoiseModel(unet, (size, size), torch.float32).added(pooled)
    embedded: Tensor = unet.get_aug_embed(pooled, pooled, added)
    return embedded.mean(0)


def _told(recipe: Recipe, windows: Windows) -> tuple[Tensor, Tensor]:
    """Windows [W, T] of texts of training scenes, and how many belong together, [W]: each stands alone."""
    found: list[list[int]] = []
    for index in range(SCENES):
        scene = scene_at("train", recipe.data.seed, index, counts=range(1, recipe.data.things + 1))
        for form in FORMS:
            found += [window for one in conditions(scene, "en", form) for window in windows.of(one)]
    return torch.tensor(found), torch.ones(len(found), dtype=torch.long)
