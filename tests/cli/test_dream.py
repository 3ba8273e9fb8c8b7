import json

import pytest
from PIL import Image as Pictures

from diffusion.tiny_cascade import cascade_folders
from diffusion.tiny_paint import scene

QUICK = ("--steps", "3", "--second-steps", "3", "--device", "cpu")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    first, second = cascade_folders(tmp_path_factory.mktemp("cascade"))
    return ("--first", first, "--second", second)


def test_texts_and_pictures_are_painted(gesso, stages, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = gesso("dream", "a red boat", *stages, *QUICK, "--seed", "4")
    assert outcome.code == 0, outcome.err
    with Pictures.open("dream.png") as file:
        assert file.size == (64, 64)
        told = json.loads(file.text["gesso-dream"])
    assert (told["prompt"], told["seed"], told["mode"]) == ("a red boat", 4, "text")
    scene((64, 64)).save("photo.png")
    Pictures.new("L", (64, 64), 255).save("mask.png")
    outcome = gesso("dream", "a red boat", *stages, *QUICK, "--from", "photo.png", "--mask", "mask.png")
    assert outcome.code == 0, outcome.err
    with Pictures.open("dream.png") as file:
        told = json.loads(file.text["gesso-dream"])
    assert (told["mode"], told["strength"]) == ("mask", 1.0)


def test_what_means_nothing_is_refused(gesso, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canvas.json").write_text("{}")
    for arguments, said in (
        (("canvas.json",), "knows no canvases"),
        (("a boat", "--enlarge"), "--enlarge came without --from"),
        (("a boat", "--mask", "m.png"), "--mask came without --from"),
        (("a boat", "--strength", "0.5"), "--strength came without --from"),
        (("a boat", "--from", "p.png", "--enlarge", "--strength", "0.5"), "--strength came with --enlarge"),
        (("a boat", "--steps", "0"), "steps is 0"),
    ):
        outcome = gesso("dream", *arguments)
        assert outcome.code == 2
        assert said in outcome.err
    assert gesso("dream", "a boat", "--lora", "x").code == 2
