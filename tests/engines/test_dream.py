from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from diffusion.tiny_cascade import cascade_folders, first_stage, second_stage
from diffusion.tiny_paint import array, scene
from diffusion.tiny_upscale import upscaler_folder
from gesso.api import load
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.cascade import Given
from gesso.diffusion.cascade_load import Placed
from gesso.diffusion.cascade_settings import CascadeSettings
from gesso.diffusion.denoise import PaintingCancelledError
from gesso.engines.dream import load_dreamer
from gesso.engines.options import LoadOptions
from gesso.engines.paint_recipe import pixel_digest

QUICK = CascadeSettings(prompt="a red boat", steps=4, second_steps=4, third_steps=1, seed=3)
CPU = LoadOptions(device="cpu")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    place = tmp_path_factory.mktemp("cascade")
    return (*cascade_folders(place), str(upscaler_folder(place / "third")))


@pytest.fixture(scope="module")
def dreamer(stages):
    return load_dreamer(stages[0], stages[1], options=CPU)


def test_a_text_becomes_what_diffusers_makes_of_it(dreamer):
    made, note = dreamer.paint(QUICK)
    first, second = first_stage(), second_stage()
    for pipeline in (first, second):
        pipeline.set_progress_bar_config(disable=True)
    positive, negative = first.encode_prompt("a red boat", negative_prompt="")
    told = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
    noise = [torch.Generator().manual_seed(3) for _ in range(2)]
    small = first(**told, num_inference_steps=4, generator=noise[0], output_type="pt").images
    large = second(image=small, **told, num_inference_steps=4, generator=noise[1], output_type="pil").images[
        0
    ]
    assert made.size == (64, 64)
    assert abs(array(made) - array(large)).max() <= 1  # diffusers cuts where we round
    assert note.mode == "text"
    assert (note.prompt, note.seed, note.source) == ("a red boat", 3, "")
    assert len(note.weights) == len(note.stages) == 2


def test_all_stages_or_fewer(stages, dreamer):
    assert load_dreamer(stages[0], None, options=CPU).paint(QUICK)[0].size == (16, 16)
    assert load_dreamer(*stages, options=CPU).paint(QUICK)[0].size == (256, 256)
    with pytest.raises(UsageError, match="third stage came without a second"):
        load_dreamer(stages[0], None, stages[2], options=CPU)


def test_a_picture_is_told_anew_in_its_shape(dreamer):
    picture = scene((60, 40))
    made, note = dreamer.paint(QUICK, picture)
    assert note.mode == "picture"
    assert note.source == pixel_digest(picture)
    assert abs(made.width / made.height - 1.5) < 0.1
    other, _ = dreamer.paint(CascadeSettings(prompt="a fish", steps=4, second_steps=4, seed=3), picture)
    assert (array(made) != array(other)).any()


def test_only_the_mask_is_painted(dreamer):
    picture = scene((64, 64))
    mask = Pictures.new("L", (64, 64))
    mask.paste(255, (0, 0, 64, 32))
    settings = CascadeSettings(prompt="a red boat", steps=4, second_steps=4, strength=1.0)
    made, note = dreamer.paint(settings, picture, mask)
    assert note.mode == "mask"
    assert note.mask
    difference = abs(array(made) - array(picture)).mean(axis=2)
    # the last step leaves a trace of noise on what is kept
    assert difference[40:].mean() < 0.5 * difference[:32].mean()


def test_small_pictures_are_made_larger(dreamer):
    made, note = dreamer.paint(QUICK, scene((32, 16)), enlarge=True)
    assert made.size == (64, 32)
    assert note.mode == "enlarge"


def test_steps_are_told_and_may_stop(dreamer):
    told = []
    dreamer.paint(QUICK, step=lambda done, steps: told.append((done, steps)))
    assert told == [(number, 4) for number in (1, 2, 3, 4)] * 2
    with pytest.raises(PaintingCancelledError):
        dreamer.paint(QUICK, step=lambda done, steps: True)


def test_parts_that_come_and_go_paint_the_same(stages, dreamer, monkeypatch):
    for offload in ("model", "leaf"):
        monkeypatch.setattr("gesso.diffusion.cascade_load._offload", lambda part, vram, kind=offload: kind)
        again = load_dreamer(stages[0], stages[1], options=CPU).paint(QUICK)[0]
        assert np.array_equal(array(again), array(dreamer.paint(QUICK)[0]))


def test_large_parts_come_layer_by_layer():
    from gesso.diffusion import cascade_load

    with torch.device("meta"):
        half, t5 = torch.nn.Linear(19_000, 50_000), torch.nn.Linear(80_000, 60_000)
    found = [[cascade_load._offload(part, vram) for vram in (None, 4, 12)] for part in (half, t5)]
    assert found == [["none", "model", "model"], ["none", "leaf", "model"]]
    for vram, said in ((8, "came for the CPU"), (5, "must be one of")):
        with pytest.raises(UsageError, match=said):
            Placed(torch.nn.Linear(1, 1), torch.device("cpu"), vram)


def test_what_it_cannot_do_is_refused(stages, dreamer, tmp_path):
    picture = scene((16, 16))
    for wrong, said in (
        ({"mask": picture}, "without a picture"),
        ({"picture": picture, "mask": picture, "enlarge": True}, "only made larger"),
    ):
        with pytest.raises(UsageError, match=said):
            dreamer.paint(QUICK, **wrong)
    with pytest.raises(UsageError, match="must have one size"):
        Given(picture, Pictures.new("L", (3, 3), 255))
    with pytest.raises(UsageError, match="mask is empty"):
        Given(picture, Pictures.new("L", (16, 16)))
    with pytest.raises(UnsupportedError, match=r"is a IFSuperResolutionPipeline; here is wanted the first"):
        load_dreamer(stages[1], None, options=CPU)
    with pytest.raises(UnsupportedError, match="it is for gesso dream"):
        load(str(Path(stages[0])))
    with pytest.raises(UnsupportedError, match="it is for gesso upscale"):
        load(stages[2])


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"second_guidance_scale": 0}, {"strength": 0}, {"strength": 0.001}, {"seed": -1}],
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))}"):
        CascadeSettings(prompt="x", **wrong)
