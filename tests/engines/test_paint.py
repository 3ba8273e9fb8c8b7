"""Pictures from canvases: repeatable by their recipes, in part anew, and refused where they would differ."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from diffusion.tiny_paint import SIZE, scene
from engines.painting import CANVAS, QUICK, engine, outside
from engines.planning import canvas
from gesso.canvas.canvas import WHOLE
from gesso.core.errors import ConfigError, UnknownNameError, UsageError
from gesso.diffusion.denoise import PaintingCancelledError, Watch
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import NEGATIVE_PROMPT, Hires
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_recipe import Painting, pixel_digest
from gesso.engines.paint_record import PaintModelInfo, PaintRecipe

EDITED = canvas("red fish", "green boat")
FISH, BOAT = (region.box for region in CANVAS.regions)


@cache
def painted() -> Painting:
    return engine().paint(CANVAS)[0]


def test_a_painting_knows_how_it_was_painted() -> None:
    found = painted().recipe
    assert (found.canvas, found.settings, found.painter, found.weights) == (CANVAS, QUICK, "tiny", "w")
    assert (found.start, found.number, found.style) == ("noise", 0, "sentences")
    assert found.pixels == pixel_digest(painted().image)
    assert (found.made_with.device, found.made_with.threads) == ("cpu", torch.get_num_threads())
    assert found.made_with.torch == torch.__version__


def test_a_recipe_paints_the_same_pixels_again() -> None:
    found = PaintRecipe.from_dict(painted().recipe.to_dict())
    assert engine().remake(found).recipe == painted().recipe


def test_pictures_of_a_batch_have_numbers_and_are_painted_again_one_by_one() -> None:
    batch = engine().paint(CANVAS, replace(QUICK, batch=2, seed=3))
    assert [painting.recipe.number for painting in batch] == [0, 1]
    assert engine().remake(batch[1].recipe).recipe.pixels == batch[1].recipe.pixels
    assert batch[0].recipe.pixels != batch[1].recipe.pixels


def test_every_pixel_outside_the_boxes_stays() -> None:
    new = engine().repaint(painted(), [BOAT], feather=2)
    assert np.array_equal(outside(new.image, BOAT), outside(painted().image, BOAT))
    assert new.recipe.pixels != painted().recipe.pixels


def test_a_repainted_picture_is_painted_again_after_the_one_before() -> None:
    first = engine().paint(CANVAS, replace(QUICK, seed=8))[0]
    second = engine().repaint(first, [FISH], feather=2)
    third = engine().repaint(second, canvas=EDITED, feather=2)
    assert third.recipe.boxes == (BOAT,)
    assert third.recipe.history == (first.recipe, second.recipe, third.recipe)
    assert engine().remake(third.recipe).recipe == third.recipe


def test_a_part_may_keep_something_of_what_was_there() -> None:
    settings = replace(painted().part_settings(), strength=0.4)
    new = engine().repaint(painted(), [BOAT], settings, feather=2)
    assert (new.recipe.start, new.recipe.source) == ("picture", painted().recipe.pixels)
    assert engine().remake(new.recipe).recipe == new.recipe


def test_below_strength_1_painting_begins_from_the_canvas_s_colours() -> None:
    half = replace(QUICK, strength=0.5)
    (ours,), (theirs,) = (engine().paint(each, half) for each in (CANVAS, recoloured()))
    assert ours.recipe.start == "canvas"
    assert ours.recipe.pixels != theirs.recipe.pixels
    assert engine().remake(ours.recipe).recipe == ours.recipe


def recoloured() -> Any:
    """The same texts on another ground."""
    return replace(CANVAS, background=replace(CANVAS.background, colour="yellow"))


def test_painting_begins_from_a_picture_and_wants_it_again() -> None:
    begun = engine().paint(CANVAS, replace(QUICK, strength=0.5), picture=scene((20, 20)))[0]
    assert (begun.recipe.start, begun.recipe.source) == ("picture", pixel_digest(scene((20, 20))))
    assert engine().remake(begun.recipe, source=scene((20, 20))).recipe == begun.recipe
    for other in (None, scene((20, 21))):
        with pytest.raises(UsageError, match="give the same picture to begin from"):
            engine().remake(begun.recipe, source=other)


def test_a_picture_that_would_count_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="strength is 1, which paints over all of it"):
        engine().paint(CANVAS, picture=scene())
    with pytest.raises(UsageError, match="this one began from none; leave it out"):
        engine().remake(painted().recipe, source=scene())


def test_recipes_of_other_weights_are_refused() -> None:
    lora = (("ink.safetensors", 0.5),)
    other = PaintEngine(engine().painter, PaintModelInfo(name="big", weights="v", loras=lora), QUICK)
    told = (
        r"painted by 'tiny' \(weights 'w'\), and this is 'big' \+ 'ink.safetensors' at 0\.5 \(weights 'v'\)"
    )
    with pytest.raises(UsageError, match=told):
        other.remake(painted().recipe)
    with pytest.raises(UsageError, match=told):
        other.repaint(painted(), [BOAT])


def test_styles_tell_the_canvas_in_other_words() -> None:
    tagged = engine().paint(CANVAS, style="pony")[0]
    assert tagged.recipe.style == "pony"
    assert tagged.recipe.settings.negative_prompt == "score_6, score_5, score_4"
    assert tagged.recipe.pixels != painted().recipe.pixels
    assert engine().repaint(tagged, [BOAT]).recipe.style == "pony"
    assert engine().repaint(tagged, [BOAT], style="tags").recipe.style == "tags"
    with pytest.raises(UnknownNameError, match="did you mean tags"):
        engine().paint(CANVAS, style="tag")


def test_settings_of_a_part_are_the_picture_s_own() -> None:
    larger = replace(QUICK, batch=2, seed=3, steps=1, hires=Hires(scale=2, steps=1))
    (_, second) = engine().paint(CANVAS, larger)
    assert second.image.size == (128, 64)
    found = second.part_settings(EDITED)
    assert found == replace(QUICK, steps=1, seed=4, size=(128, 64))
    assert second.part_settings() == second.part_settings(CANVAS) == replace(found, seed=5)
    assert engine().repaint(second, canvas=EDITED).image.size == (128, 64)


def test_seeds_end_where_they_begin() -> None:
    last = Painting(painted().image, replace(painted().recipe, settings=replace(QUICK, seed=2**63 - 1)))
    assert last.part_settings().seed == 0


@pytest.mark.parametrize(
    ("boxes", "changes", "told"),
    [
        (None, {}, "no box came; give at least one"),
        ([], {}, "no box came"),
        ([(0, 10, 20, 20)], {}, r"box is \(0, 10, 20, 20\); it must be .* within 0\.\.90"),
        ([(0, 91, 0, 9)], {}, "within 0..90"),
        ([BOAT], {"batch": 2}, r"batch 2 .*one picture at a time"),
        ([BOAT], {"size": (32, 32)}, r"at the picture's size, \(48, 32\)"),
        ([BOAT], {"hires": Hires()}, "without hires"),
    ],
)
def test_parts_that_cannot_be_painted_are_refused(boxes: Any, changes: dict[str, Any], told: str) -> None:
    settings = replace(painted().part_settings(), **changes)
    with pytest.raises(UsageError, match=told):
        engine().repaint(painted(), boxes, settings)


def test_a_border_wider_than_the_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="feather is 33; it must be 0 to 32 pixels"):
        engine().repaint(painted(), [WHOLE], feather=33)


def test_settings_come_from_options_style_and_model() -> None:
    own = engine()
    assert own.settings({}) == QUICK
    assert own.settings({"steps": 3, "hires": {"scale": 2}}).hires == Hires(scale=2)
    assert own.settings({"size": [64, 32], "strength": 1}) == replace(QUICK, size=(64, 32))
    assert own.settings({}, style="pony").negative_prompt.startswith("score_6")
    assert own.settings({"negative_prompt": "rain"}, style="pony").negative_prompt == "rain"
    assert own.settings({}, style="sentences").negative_prompt == NEGATIVE_PROMPT
    assert own.settings({"steps": 4}, others=replace(QUICK, seed=1)) == replace(QUICK, seed=1, steps=4)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"stepz": 3}, UnknownNameError, "unknown setting of a picture 'stepz'; did you mean steps"),
        ({"steps": "many"}, ConfigError, "steps is 'many'; it must be int"),
        ({"size": 64}, ConfigError, "size is 64; it must be a list"),
        ({"steps": 0}, UsageError, "steps is 0"),
        ({"guidance": "grad"}, UnknownNameError, "gradient"),
    ],
)
def test_other_options_are_refused_by_name(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        engine().settings(options)


def test_whoever_watches_may_stop_it() -> None:
    with pytest.raises(PaintingCancelledError, match="after 0 of 2 steps"):
        engine().paint(CANVAS, watch=Watch(cancelled=lambda: True))


def test_too_little_memory_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("tried to allocate 9 GiB")

    monkeypatch.setattr(Painter, "paint", full)
    with pytest.raises(UsageError, match=r"memory does not suffice \(tried.*choose a smaller size"):
        engine().paint(CANVAS)


def test_the_size_of_a_recipe_is_the_picture_s() -> None:
    assert painted().image.size == painted().recipe.size == SIZE
