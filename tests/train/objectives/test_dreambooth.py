import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from diffusion.tiny_paint import scene, sd15, sdxl
from gesso.config.load import load_recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.load import load_painter
from gesso.diffusion.lora import Lora
from gesso.diffusion.save import save_folder
from gesso.engines.paint_build import PaintLoading, load_paint_engine
from gesso.train.loop import train
from gesso.train.objectives.dreambooth import DreamboothObjective
from gesso.train.picture_folder import PictureFolder, paint_missing
from gesso.train.recipes import build_objective
from train.conftest import MakeRecipe
from train.learning import learn

WORDS = (
    "dreambooth={prompt: a photo of sks boat, class_prompt: a photo of a boat, prior_count: 5, prior_steps: 1"
)


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """A painter of SD 1.5's shape, and three pictures."""
    save_folder(sd15(), tmp_path / "painter")
    (tmp_path / "photos").mkdir()
    for number, size in enumerate([(40, 30), (32, 32), (30, 50)]):
        scene(size).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    place = tmp_path.as_posix()
    return [
        f"model.init={place}/painter", "data.source=pictures", f"data.path={place}/photos",
        f"{WORDS}, prior: {place}/prior}}",
    ]  # fmt: skip


def make(make_recipe: MakeRecipe, parts: list[str], *overrides: str) -> DreamboothObjective:
    torch.manual_seed(0)
    objective = build_objective(make_recipe("dreambooth", *parts, *overrides))
    assert isinstance(objective, DreamboothObjective)
    return objective


def test_the_class_is_painted_first_and_learned_beside_the_subject(make_recipe, parts, tmp_path):
    objective = make(make_recipe, parts, "diffusion={dropout: 0}")
    assert len(list((tmp_path / "prior").iterdir())) == 5
    assert objective.examples == 3
    one, again = objective.batch([2, 0], 4), objective.batch([2, 0], 4)
    assert one.pixels.shape == (4, 3, 32, 32)
    assert torch.equal(one.pixels, again.pixels)
    assert torch.equal(one.texts[0], one.texts[1])
    assert not torch.equal(one.texts[0], one.texts[2])
    assert float(one.shown.min()) == float(one.shown.max()) == 1
    _, figures = objective.loss(one)
    assert {"error", "class"} <= set(figures)
    # pictures that are there are kept
    before = (tmp_path / "prior" / "prior-0000.png").stat().st_mtime_ns
    make(make_recipe, parts)
    assert (tmp_path / "prior" / "prior-0000.png").stat().st_mtime_ns == before


def test_only_adapters_of_attention_learn(make_recipe, parts):
    objective = make(
        make_recipe, parts, "diffusion={dropout: 0}", "lora={parts: [unet, text], rank: 4, alpha: 4}"
    )
    trained = {name for name, p in objective.module.named_parameters() if p.requires_grad}
    assert all(".lora_" in name for name in trained)
    for ending in ("attn1.to_q", "attn2.to_out.0", "self_attn.q_proj"):
        assert any(f"{ending}.lora_A" in name for name in trained)
    assert not any("ff." in name or "mlp" in name for name in trained)
    learned = [p for p in objective.module.parameters() if p.requires_grad]
    told = learn(objective, objective.batch([0, 1], 1), 25, 1e-2, learned)
    assert told[-1]["loss"] < 0.95 * told[0]["loss"]
    assert set(objective.parts) == {"unet", "text"}


def test_what_is_trained_paints_here_and_in_diffusers(make_recipe, parts, tmp_path):
    recipe = make_recipe(
        "dreambooth", *parts, "optim={lr: 0.1}", "run.steps=3", "run.checkpointing=true",
        "lora={parts: [unet], rank: 2, alpha: 4}",
    )  # fmt: skip
    train(recipe, lambda: build_objective(recipe))
    final = Path(recipe.run.out) / "final"
    assert json.loads((final / "dreambooth.json").read_text())["prompt"] == "a photo of sks boat"
    plain, changed = (load_painter(tmp_path / "painter", loras=loras) for loras in ((), (Lora(final),)))
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "painter")
    pipeline.load_lora_weights(final)
    pipeline.fuse_lora()
    theirs = dict(pipeline.unet.named_parameters())
    different = 0
    for name, ours in changed.model.unet.named_parameters():
        other = theirs.get(name, theirs.get(name.replace(".weight", ".base_layer.weight")))
        if other is None:
            other = theirs[name.replace(".bias", ".base_layer.bias")]
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)
        different += not torch.equal(ours, plain.model.unet.get_parameter(name))
    assert different == 4 * 2 * 2 * 2  # four maps of two attentions in each of four transformers

    engine = load_paint_engine(str(tmp_path / "painter"), PaintLoading(device="cpu", lora=(str(final),)))
    assert engine.info.loras == ((str(final), 1.0),)


def test_text_encoders_and_sdxl_are_saved_under_names_that_fit(make_recipe, parts, tmp_path):
    save_folder(sdxl(), tmp_path / "painter")
    recipe = make_recipe("dreambooth", *parts, "lora={parts: [unet, text]}", "optim={lr: 0.1}", "run.steps=1")
    train(recipe, lambda: build_objective(recipe))
    plain = load_painter(tmp_path / "painter")
    changed = load_painter(tmp_path / "painter", loras=[Lora(Path(recipe.run.out) / "final")])
    for ours, other in zip(changed.model.text.encoders, plain.model.text.encoders, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


def test_without_a_class_only_the_subject_is_learned(make_recipe, parts):
    objective = make(make_recipe, parts[:-1], "dreambooth={prompt: sks boat}")
    assert len(objective.batch([0, 1], 0).pixels) == 2
    _, figures = objective.loss(objective.batch([0, 1], 0))
    assert "class" not in figures
    assert "sks boat" in objective.show(0)


def test_pictures_are_cut_to_squares(tmp_path):
    scene((50, 30)).save(tmp_path / "a.png")
    found = PictureFolder(tmp_path, 24)
    assert found.picture(0).size == (24, 24)
    with pytest.raises(ConfigError, match="holds no pictures"):
        PictureFolder(tmp_path / "gone", 24)


def test_seeds_go_on_where_a_folder_ends(parts, tmp_path):
    engine = load_paint_engine(str(tmp_path / "painter"), PaintLoading(device="cpu"))
    for count in (2, 3):
        paint_missing(engine, tmp_path / "some", "a boat", count, size=32, steps=1)
    paint_missing(engine, tmp_path / "all", "a boat", 3, size=32, steps=1)
    for name in ("prior-0000.png", "prior-0002.png"):
        some, whole = (np.asarray(PictureFolder(tmp_path / folder, 32).picture(int(name[-5]))).astype(int)
                       for folder in ("some", "all"))  # fmt: skip
        assert abs(some - whole).max() <= 1


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("dreambooth={prompt: ' '}", "dreambooth.prompt is empty"),
        ("lora={parts: [vae]}", "a painter has unet, text"),
        ("lora={parts: [unet], train: [norm]}", "lora.train is set"),
        ("data.source=storybook", "data.source storybook for a dreambooth recipe"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make_recipe, parts, override, said):
    with pytest.raises(ConfigError, match=said):
        make(make_recipe, parts, override)
    with pytest.raises(ConfigError, match="dreambooth settings mean nothing to a judge recipe"):
        build_objective(make_recipe("judge", parts[-1]))


def test_the_recipe_is_read():
    recipe = load_recipe("paint/dreambooth-lora")
    assert recipe.dreambooth is not None
    assert recipe.dreambooth.class_prompt == "a photo of a dog"
