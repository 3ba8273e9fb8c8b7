import json

import pytest
from PIL import Image as Pictures

from diffusion.tiny_paint import scene
from diffusion.tiny_upscale import upscaler_folder
from engines.painting import CANVAS, QUICK, engine, painter_folder
from gesso.engines.paint_recipe import Painting


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(upscaler_folder(tmp_path_factory.mktemp("upscaler")))


def test_pictures_of_all_sorts_become_larger(gesso, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine().paint(CANVAS, QUICK)[0].save("painted.png")
    scene((20, 12)).save("photo.jpg")
    quick = ("--model", model, "--steps", "1", "--device", "cpu")
    outcome = gesso("upscale", "painted.png", *quick, "--out", "larger.png")
    assert outcome.code == 0, outcome.err
    recipe = Painting.open("larger.png").recipe
    assert recipe.canvas == CANVAS
    assert recipe.upscaled[0].prompt == CANVAS.background.description
    outcome = gesso("upscale", "photo.jpg", *quick, "--prompt", "a boat", "--seed", "3")
    assert outcome.code == 0, outcome.err
    with Pictures.open("upscaled.png") as file:
        assert file.size == (80, 48)
        told = json.loads(file.text["gesso-upscale"])
    assert (told["prompt"], told["seed"], told["steps"]) == ("a boat", 3, 1)


def test_painters_take_it_as_a_last_step(gesso, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene.json").write_text(json.dumps(CANVAS.to_dict()))
    painter = ("--painter", str(painter_folder()), "--steps", "1", "--size", "24x16", "--device", "cpu")
    outcome = gesso("paint", "scene.json", *painter, "--upscale", model)
    assert outcome.code == 0, outcome.err
    found = Painting.open("painting.png")
    assert found.image.size == (96, 64)
    assert found.recipe.upscaled[0].model == model
    outcome = gesso("paint", "scene.json", "--painter", str(painter_folder()), "--upscale", "nowhere")
    assert outcome.code == 2
    assert "nowhere" in outcome.err


def test_unfit_files_are_refused(gesso, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene((20, 12)).save("photo.png")
    for arguments, said in (
        (("photo.png", "--out", "x.jpg"), "does not end in .png"),
        (("photo.png", "--noise-level", "400"), "noise_level is 400"),
        (("gone.png",), "gone.png"),
    ):
        outcome = gesso("upscale", *arguments, "--model", model, "--device", "cpu")
        assert outcome.code != 0
        assert said in outcome.err
