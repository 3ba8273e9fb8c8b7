"""The painter: repeatable pictures, by several threads at once, watched, stopped, enlarged, and in part."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from diffusion.tiny_paint import (
    LEFT,
    PROMPTS,
    RIGHT,
    SIZE,
    WHOLE,
    array,
    box,
    painter,
    scene,
    sd15,
    sdxl,
    settings,
)
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.conditions import RegionPrompt
from gesso.diffusion.denoise import PaintingCancelledError, Watch
from gesso.diffusion.guidance import STRATEGIES
from gesso.diffusion.guide_attention import AttentionDecomposition
from gesso.diffusion.latents import Inpaint
from gesso.diffusion.parts import PaintModel
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import Hires


def paint(prompts=PROMPTS, made=None, **changes):
    extras = {name: changes.pop(name) for name in ("initial_latent", "inpaint", "watch") if name in changes}
    return (made or painter()).paint(prompts, settings(**changes), **extras)


def same(first, second):
    return all(np.array_equal(array(a), array(b)) for a, b in zip(first, second, strict=True))


def test_pictures_have_the_size_asked_for():
    pictures = paint(batch=2)
    assert [(picture.size, picture.mode) for picture in pictures] == [(SIZE, "RGB")] * 2


def test_the_same_seed_paints_the_same_picture():
    assert same(paint(), paint())
    assert not same(paint(), paint(seed=1))


def test_a_picture_of_a_batch_is_what_its_seed_paints_alone():
    batch, alone = paint(batch=2), paint(seed=12346)
    assert abs(array(batch[1]) - array(alone[0])).max() <= 1


@pytest.mark.parametrize("guidance", sorted(STRATEGIES))
def test_every_strategy_paints_with_both_kinds_of_models(guidance):
    for made in (painter(), Painter(sd15())):
        assert paint(made=made, guidance=guidance, steps=2)[0].size == SIZE


def test_strategies_paint_different_pictures():
    pictures = [array(paint(guidance=name)[0]) for name in sorted(STRATEGIES)]
    differences = [abs(a - b).max() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(differences) > 0


def test_masks_matter():
    moved = RegionPrompt(box(left=50), LEFT.prefixes, LEFT.suffixes)
    assert not same(paint((WHOLE, LEFT)), paint((WHOLE, moved)))


def test_the_negative_prompt_matters_unless_the_scale_is_one():
    assert not same(paint(), paint(negative_prompt="A red boat."))
    assert same(paint(guidance_scale=1), paint(guidance_scale=1, negative_prompt="A red boat."))


def test_a_strategy_may_bring_its_own_settings():
    own = paint(guidance=AttentionDecomposition(base=2.0))
    assert not same(own, paint(guidance="attention-decomposition"))


def test_threads_with_different_canvases_do_not_disturb_each_other():
    orders = [
        (PROMPTS, {}),
        ((WHOLE, RIGHT), {"size": (32, 48)}),
        ((LEFT_ALONE,), {"guidance": "gradient"}),
    ] * 2
    alone = [paint(prompts, **changes) for prompts, changes in orders[:3]]
    barrier = threading.Barrier(len(orders))

    def run(order):
        prompts, changes = order
        barrier.wait()
        return paint(prompts, **changes)

    with ThreadPoolExecutor(len(orders)) as pool:
        together = list(pool.map(run, orders))
    assert all(same(a, b) for a, b in zip(alone * 2, together, strict=True))


LEFT_ALONE = RegionPrompt(box(), LEFT.prefixes)


def test_pooled_states_are_projected_for_plain_prompts_and_not_for_regions():
    plain, omost = Painter(sdxl(), pooled="projected"), Painter(sdxl(), pooled="unprojected")
    assert same(paint((WHOLE,)), paint((WHOLE,), made=plain))
    assert same(paint(), paint(made=omost))
    assert same(paint(guidance="none"), paint(made=plain, guidance="none"))
    assert not same(paint(made=plain), paint(made=omost))


def test_a_second_pass_makes_the_picture_larger():
    large = paint(hires=Hires(scale=2, steps=2))[0]
    assert large.size == (128, 64)
    assert same([large], paint(hires=Hires(scale=2, steps=2)))
    first = paint()[0].resize((128, 64), Pictures.Resampling.LANCZOS)
    # painted on, not just enlarged
    assert abs(array(large) - array(first)).mean() > 1


def test_a_picture_to_begin_from_shows():
    latent = painter().picture_latent(scene(), SIZE)
    near, far = (paint(strength=strength, initial_latent=latent) for strength in (0.05, 1.0))
    decoded = array(paint(strength=0.01, initial_latent=latent, steps=1)[0])
    distance = [abs(array(pictures[0]) - decoded).mean() for pictures in (near, far)]
    assert distance[0] < distance[1] / 2


def test_a_canvas_to_begin_from_has_the_pictures_shape():
    assert painter().canvas_latent(Pictures.new("RGB", (90, 90), "navy"), SIZE).shape == (1, 4, 16, 24)


def test_inpainting_changes_only_what_is_white():
    mask = Pictures.new("L", SIZE)
    mask.paste(255, (24, 0, 48, 32))
    found = array(paint(inpaint=Inpaint(scene(), mask, feather=2))[0])
    old = array(scene())
    assert np.array_equal(found[:, :24], old[:, :24])
    assert not np.array_equal(found[:, 24:], old[:, 24:])


def test_inpainting_looks_at_what_stays():
    mask = Pictures.new("L", SIZE)
    mask.paste(255, (24, 0, 48, 32))
    dark, light = (Inpaint(Pictures.new("RGB", SIZE, colour), mask, 0) for colour in ("black", "white"))
    inside = [array(paint(inpaint=inpaint)[0])[:, 24:] for inpaint in (dark, light)]
    assert not np.array_equal(*inside)


def test_progress_is_reported_with_a_preview():
    seen = []
    paint(
        steps=5,
        hires=Hires(steps=2),
        watch=Watch(lambda p: seen.append((p.stage, p.step, p.steps, p.preview()[0].size)), every=2),
    )
    assert seen == [("first", 2, 5, (24, 16)), ("first", 4, 5, (24, 16)), ("first", 5, 5, (24, 16)),
                    ("hires", 2, 2, (32, 32))]  # fmt: skip


def test_watching_changes_nothing():
    assert same(paint(), paint(watch=Watch(lambda progress: progress.preview())))


def test_painting_can_be_stopped():
    stop = threading.Event()
    watch = Watch(lambda progress: stop.set() if progress.step == 2 else None, cancelled=stop.is_set)
    with pytest.raises(PaintingCancelledError, match="cancelled after 2 of 3 steps"):
        paint(watch=watch)
    assert same(paint(), paint())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (49, 32)}, "size is 49 x 32; both sides must be multiples of 2"),
        ({"strength": 0.5}, "strength is 0.5 without anything to begin from"),
        ({"initial_latent": torch.zeros(1, 4, 8, 8)}, "its last two sides must be 16 and 24"),
        ({"prompts": ()}, "no region came"),
        ({"prompts": (LEFT,)}, "belong to no region"),
        ({"inpaint": Inpaint(scene((32, 32)), Pictures.new("L", (32, 32), 255))}, "a picture of 32 x 32"),
        ({"inpaint": Inpaint(scene(), Pictures.new("L", SIZE, 255)), "hires": Hires()}, "leave the high-res"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        paint(**changes)


def test_reports_after_no_steps_are_refused():
    with pytest.raises(UsageError, match="every is 0"):
        Watch(every=0)


def test_parts_must_belong_together():
    large, small = sdxl(), sd15()
    with pytest.raises(UnsupportedError, match="1 text encoders came with a UNet of the SDXL kind"):
        PaintModel(large.unet, large.vae, small.text)
    small.unet.register_to_config(in_channels=9)
    with pytest.raises(UnsupportedError, match="takes 9 channels"):
        PaintModel(small.unet, small.vae, small.text)
