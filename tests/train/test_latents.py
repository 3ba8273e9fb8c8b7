from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gesso.diffusion import latents as painting
from gesso.train import latents
from gesso.train.latents import LatentStore, pixel_batch
from train.conftest import MakeRecipe
from train.painting import SIDE, autoencoder


def test_latents_are_those_the_painter_starts_from(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    objective = autoencoder(make_recipe)
    store = LatentStore(tmp_path, objective.pictures, objective.vae)
    batch = store.batch([3, 0, 3])
    assert batch.shape == (3, 4, SIDE, SIDE)
    for latent, index in zip(batch, (3, 0, 3), strict=True):
        picture = Image.fromarray(np.array(objective.pictures.pixels(index)))
        expected = painting.picture_latent(objective.vae, picture, (32, 32))[0]
        torch.testing.assert_close(latent, expected, rtol=2e-3, atol=2e-3)  # kept in half precision


def test_each_picture_is_encoded_once(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = autoencoder(make_recipe)
    counts: list[int] = []

    def counting(vae: object, pixels: torch.Tensor) -> torch.Tensor:
        counts.append(len(pixels))
        return painting.encode_pixels(vae, pixels)

    monkeypatch.setattr(latents, "encode_pixels", counting)
    first = LatentStore(tmp_path, objective.pictures, objective.vae)
    before = first.batch([1, 2, 1])
    again = LatentStore(tmp_path, objective.pictures, objective.vae)
    assert torch.equal(again.batch([1, 2, 1]), before)
    again.batch([2, 5])
    assert counts == [2, 1]


def test_another_autoencoder_starts_anew(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    objective = autoencoder(make_recipe)
    before = LatentStore(tmp_path, objective.pictures, objective.vae).batch([0])
    with torch.no_grad():
        objective.vae.encoder.conv_in.weight.add_(0.1)
    assert not torch.equal(LatentStore(tmp_path, objective.pictures, objective.vae).batch([0]), before)
    assert len(list(tmp_path.glob("latents-*"))) == 2


def test_pixels_lie_between_minus_one_and_one(make_recipe: MakeRecipe) -> None:
    pictures = autoencoder(make_recipe).pictures
    pixels = pixel_batch(pictures, [4])
    assert pixels.shape == (1, 3, 32, 32)
    top, left = pictures.pixels(4)[0, 0] / 127.5 - 1, pixels[0, :, 0, 0]
    assert left.tolist() == pytest.approx(top.tolist(), abs=1e-6)
