from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from gesso.config.load import load_recipe
from gesso.core.errors import ConfigError, MissingExtraError
from gesso.diffusion.conditions import RegionPrompt
from gesso.diffusion.load import load_painter
from gesso.diffusion.settings import PaintSettings
from gesso.evaluate.judge import Judge
from gesso.storybook.draw import draw
from gesso.storybook.splits import scene_at
from gesso.train import recipes
from gesso.train.loop import train
from gesso.train.prompts import conditions
from gesso.train.recipes import build_objective
from train.conftest import MakeRecipe
from train.painting import AUTOENCODER, JUDGE, UNET, clip_folder

RECIPES = ("vae", "text-encoder-2", "sdxl", "judge")


def test_the_stages_of_the_painter_build_on_one_another(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Autoencoder, second text encoder, UNet: one step each, and a picture by regions at the end."""
    clip_folder(tmp_path / "clip", tokenizer)
    stages = {
        "vae": ("autoencoder", AUTOENCODER, "autoencoder={crop: 32}"),
        "text": ("text-facts", "model.tokenizer={}/clip", "data.length=40"),
        "painter": (
            "diffusion", UNET, "model.autoencoder={}/vae/final", "model.text_encoder={}/clip",
            "model.text_encoder_2={}/text/final",
        ),
    }  # fmt: skip
    for name, (objective, *overrides) in stages.items():
        filled = [override.replace("{}", tmp_path.as_posix()) for override in overrides]
        recipe = make_recipe(objective, "run.steps=1", *filled, f"run.out={tmp_path.as_posix()}/{name}")
        assert train(recipe, lambda recipe=recipe: build_objective(recipe)) == tmp_path / name / "final"
    painter = load_painter(tmp_path / "painter" / "final")
    scene = scene_at("test", 0, 0)
    prompts = [
        RegionPrompt(_mask(one.box), one.prefixes, one.suffixes) for one in conditions(scene, "en", "regions")
    ]
    (picture,) = painter.paint(prompts, PaintSettings(size=(32, 32), steps=2))
    assert picture.size == (32, 32)


def _mask(box: tuple[int, int, int, int]) -> list[list[float]]:
    rows, columns = range(box[0], box[1]), range(box[2], box[3])
    return [[float(y in rows and x in columns) for x in range(90)] for y in range(90)]


def test_a_judge_is_trained_and_asked(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe("judge", JUDGE, "run.steps=1")
    folder = train(recipe, lambda: build_objective(recipe))
    scene = scene_at("test", 0, 1)
    (score,) = Judge.load(folder).score([draw(scene, 64)], [scene])
    assert len(score.things) == len(scene.things)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_can_be_read(name: str) -> None:
    recipe = load_recipe(f"mini/{name}")
    assert recipe.run.out == f"runs/mini/{name}"
    assert recipe.about


@pytest.mark.parametrize("name", ["vae", "judge"])
def test_a_dry_run_shows_what_is_learned(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(f"mini/{name}", ["data.count=4", f"data.cache={tmp_path}"])
    assert "[green]" in build_objective(recipe).show(0)


def test_the_recipes_sizes_fit_one_another(tmp_path: Path) -> None:
    sdxl, vae, judge = (load_recipe(f"mini/{name}") for name in ("sdxl", "vae", "judge"))
    assert sdxl.model.autoencoder == f"{vae.run.out}/final"
    assert sdxl.model.text_encoder_2 == f"{load_recipe('mini/text-encoder-2').run.out}/final"
    # all three see pictures of one kind, the painter more of them
    assert replace(sdxl.data, count=vae.data.count) == vae.data == judge.data


@pytest.mark.parametrize(
    ("objective", "override", "message"),
    [
        ("judge", "diffusion={window: 40}", "diffusion settings mean nothing to a judge recipe"),
        ("dense", "autoencoder={kl: 0}", "autoencoder settings mean nothing to a dense recipe"),
        ("judge", "model.autoencoder=x", r"model\.autoencoder means nothing to a judge recipe"),
        ("autoencoder", "model.text_encoder=x", r"model\.text_encoder means nothing to a"),
        ("diffusion", "model.vision=x", r"model\.vision means nothing to a diffusion recipe"),
    ],
)
def test_settings_of_other_objectives_are_refused(
    make_recipe: MakeRecipe, objective: str, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_objective(make_recipe(objective, override))


def test_painting_without_diffusers_names_the_extra(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gesso\[paint\]"):
        build_objective(make_recipe("autoencoder", AUTOENCODER))
