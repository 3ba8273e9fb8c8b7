import pytest

from diffusion.tiny_paint import scene
from diffusion.tiny_upscale import upscaler_folder
from engines.painting import CANVAS, QUICK, engine
from gesso.core.errors import UsageError
from gesso.diffusion.upscale_settings import UpscaleSettings
from gesso.engines.options import LoadOptions
from gesso.engines.paint_recipe import Painting, has_recipe, pixel_digest
from gesso.engines.upscale import load_upscaler, settings_of

FAST = UpscaleSettings(prompt="a boat", steps=1)


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory):
    folder = upscaler_folder(tmp_path_factory.mktemp("upscaler"))
    return load_upscaler(str(folder), LoadOptions(device="cpu"))


@pytest.fixture(scope="module")
def painted():
    return engine().paint(CANVAS, QUICK)[0]


def test_a_painting_keeps_its_recipe(upscaler, painted, tmp_path):
    larger = upscaler.painting(painted, FAST)
    assert larger.image.size == tuple(4 * side for side in painted.image.size)
    larger.save(tmp_path / "larger.png")
    found = Painting.open(tmp_path / "larger.png")
    assert found.recipe == larger.recipe
    (note,) = found.recipe.upscaled
    assert (note.prompt, note.steps, note.model) == ("a boat", 1, upscaler.name)
    assert note.weights == upscaler.weights
    assert note.source == painted.recipe.pixels
    assert found.recipe.painted == painted.recipe
    assert has_recipe(tmp_path / "larger.png")


def test_it_is_painted_once_more_as_it_was_before(upscaler, painted):
    larger = upscaler.painting(painted, FAST)
    again = engine().remake(larger.recipe)
    assert again.recipe.pixels == painted.recipe.pixels
    assert not again.recipe.upscaled
    with pytest.raises(UsageError, match="repaint it as it was before"):
        engine().repaint(larger, [(0, 45, 0, 45)])


def test_it_is_told_what_the_painting_shows(painted):
    told = settings_of(painted.recipe)
    assert told.prompt == CANVAS.background.description
    assert told.seed == painted.recipe.alone.seed


def test_other_pictures_get_a_note(upscaler, tmp_path):
    picture = scene((12, 10))
    larger, note = upscaler.picture(picture, FAST)
    assert larger.size == (48, 40)
    assert note.source == pixel_digest(picture)
    picture.save(tmp_path / "plain.png")
    assert not has_recipe(tmp_path / "plain.png")
