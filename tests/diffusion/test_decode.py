"""Decoding: to whole grey levels as the original does, and previews that show the colours."""

import numpy as np
import pytest
import torch

from diffusion.tiny_paint import noise, painter
from gesso.diffusion.decode import LinearPreview, decode_pixels, pictures_of
from gesso.diffusion.latents import encode_pixels


def test_values_are_cut_not_rounded():
    values = torch.tensor([-3.0, -1.0, 0.0, 0.0039, 0.9999, 1.0, 3.0]).expand(1, 3, 1, 7)
    assert np.asarray(pictures_of(values)[0])[0, :, 0].tolist() == [0, 0, 127, 127, 254, 255, 255]


def test_pictures_are_decoded_one_by_one():
    vae, latents = painter().model.vae, noise(3)
    sizes = []
    hook = vae.decoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    pixels = decode_pixels(vae, latents)
    hook.remove()
    assert (pixels.shape, sizes) == ((3, 3, 32, 48), [1, 1, 1])
    with torch.no_grad():
        together = vae.decode(latents / 0.13025).sample
    torch.testing.assert_close(pixels, together, rtol=1e-4, atol=1e-4)


def test_previews_show_the_colours_of_a_picture():
    vae = painter().model.vae
    preview = LinearPreview.fit(vae)
    left, right = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ((0.8, -0.6, 0.1), (-0.7, 0.5, 0.3)))
    pixels = torch.cat([left.expand(1, 3, 32, 24), right.expand(1, 3, 32, 24)], dim=3)
    found = np.asarray(preview.pictures(encode_pixels(vae, pixels))[0]).astype(int)
    assert found.shape == (16, 24, 3)
    here, there = found[4:12, [4, 19]].mean(axis=0)
    assert here[0] > there[0] + 40
    assert here[1] < there[1] - 15


@pytest.mark.parametrize("batch", [1, 2])
def test_a_preview_has_a_pixel_for_each_cell(batch):
    pictures = LinearPreview(torch.zeros(5, 3)).pictures(noise(batch))
    assert [picture.size for picture in pictures] == [(24, 16)] * batch
    assert (np.asarray(pictures[0]) == 127).all()
