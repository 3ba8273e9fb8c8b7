"""Latents to begin with, noise that each picture owns, and inpainting that leaves the rest alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from diffusion.tiny_paint import array, painter, scene
from gesso.core.errors import UsageError
from gesso.diffusion.latents import (
    Inpaint,
    blur_canvas,
    canvas_latent,
    draw_noise,
    generators_for,
    latent_factor,
    picture_latent,
    pixels_of,
)


def mask(left, top, right, bottom, size=(48, 32)):
    picture = Pictures.new("L", size)
    picture.paste(255, (left, top, right, bottom))
    return picture


def test_a_picture_of_a_batch_is_what_its_seed_gives_alone():
    batch = draw_noise(generators_for(7, 3), (4, 2, 3))
    alone = draw_noise(generators_for(9, 1), (4, 2, 3))
    assert torch.equal(batch[2:], alone)
    assert not torch.equal(batch[0], batch[1])


def test_generators_go_on():
    generators = generators_for(0, 1)
    first, second = (draw_noise(generators, (1, 2, 2)) for _ in range(2))
    assert not torch.equal(first, second)


def test_pixels_lie_between_minus_one_and_one():
    picture = Pictures.new("RGBA", (3, 2), (0, 255, 51, 7))
    pixels = pixels_of(picture)
    assert pixels.shape == (1, 3, 2, 3)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -0.6])


def test_a_blurred_canvas_has_no_edges_left():
    canvas = Pictures.new("RGB", (90, 90), "black")
    canvas.paste((255, 255, 255), (45, 0, 90, 90))
    blurred = blur_canvas(canvas)
    assert blurred.shape == (1, 3, 90, 90)
    assert blurred.diff(dim=3).abs().max() < 0.03
    assert blurred[..., -1].mean() > 0.9 > -0.9 > blurred[..., 0].mean()


def test_a_canvas_too_small_for_the_filter_is_refused():
    with pytest.raises(UsageError, match="a canvas picture of 40 x 90 came"):
        blur_canvas(Pictures.new("RGB", (40, 90)))


def test_latents_have_the_size_of_the_picture_over_the_factor():
    vae = painter().model.vae
    assert latent_factor(vae) == 2
    assert canvas_latent(vae, Pictures.new("RGB", (90, 90)), (48, 32)).shape == (1, 4, 16, 24)
    assert picture_latent(vae, scene((30, 30)), (48, 32)).shape == (1, 4, 16, 24)


def test_a_latent_is_the_vaes_mode_times_the_scale():
    vae = painter().model.vae
    with torch.no_grad():
        mode = vae.encode(pixels_of(scene())).latent_dist.mean
    torch.testing.assert_close(picture_latent(vae, scene(), (48, 32)), mode * 0.13025)


@settings(deadline=None, max_examples=25)
@given(
    x=st.tuples(st.integers(0, 47), st.integers(1, 48)).filter(lambda e: e[0] < e[1]),
    y=st.tuples(st.integers(0, 31), st.integers(1, 32)).filter(lambda e: e[0] < e[1]),
    feather=st.integers(0, 9),
)
def test_pixels_outside_stay_byte_for_byte(x, y, feather):
    inpaint = Inpaint(scene(), mask(x[0], y[0], x[1], y[1]), feather)
    painted = Pictures.new("RGB", (48, 32), (1, 2, 3))
    found = array(inpaint.blend(painted))
    outside = np.asarray(inpaint.mask) == 0
    assert np.array_equal(found[outside], array(scene())[outside])


def test_the_inside_is_the_new_picture_behind_the_feather():
    inpaint = Inpaint(scene(), mask(8, 0, 40, 32), feather=4)
    found = array(inpaint.blend(Pictures.new("RGB", (48, 32), (1, 2, 3))))
    # the picture's own edge is no border, so rows 0 and 31 are new too
    assert (found[:, 16:32] == (1, 2, 3)).all()
    white = np.full((32, 48, 3), 255)
    share = array(Inpaint(Pictures.fromarray(white.astype(np.uint8)), mask(8, 0, 40, 32), 4).blend(
        Pictures.new("RGB", (48, 32), "black")))[16, :, 0]  # fmt: skip
    assert (np.diff(share[8:20]) <= 0).all()
    assert 0 < share[10] < 255


def test_without_a_feather_the_border_is_hard():
    inpaint = Inpaint(scene(), mask(8, 4, 40, 20), feather=0)
    found = array(inpaint.blend(Pictures.new("RGB", (48, 32), (1, 2, 3))))
    inside = np.asarray(inpaint.mask) == 255
    assert (found[inside] == (1, 2, 3)).all()


def test_a_cell_of_the_latent_is_painted_if_white_touches_it():
    cells = Inpaint(scene(), mask(3, 3, 4, 4)).latent_mask((16, 24))
    assert cells.sum() == cells[0, 0, 1, 1] == 1


@pytest.mark.parametrize(
    ("changed", "feather", "message"),
    [
        (mask(0, 0, 9, 9, (32, 32)), 8, "the mask is 32 x 32 and the picture 48 x 32"),
        (mask(0, 0, 0, 0), 8, "black everywhere"),
        (mask(0, 0, 9, 9), -1, "feather is -1"),
    ],
)
def test_what_cannot_be_painted_is_refused(changed, feather, message):
    with pytest.raises(UsageError, match=message):
        Inpaint(scene(), changed, feather)
