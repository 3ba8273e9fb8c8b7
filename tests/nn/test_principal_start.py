import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from gesso.core.errors import ConfigError
from gesso.nn.principal_start import principal_start


def autoencoder(channels: list[int], latent: int, groups: int = 2) -> AutoencoderKL:
    blocks = len(channels)
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        layers_per_block=1,
        latent_channels=latent,
        norm_num_groups=groups,
        mid_block_add_attention=False,
    )


def pictures(count: int = 8) -> Tensor:
    """Pictures of patches of 2 x 2 pixels, each of one colour, with a little noise."""
    torch.manual_seed(1)
    coarse = torch.rand(count, 3, 8, 8) * 2 - 1
    return coarse.repeat_interleave(2, 2).repeat_interleave(2, 3) + torch.randn(count, 3, 16, 16) * 0.01


@torch.no_grad()
def test_latents_are_the_first_components_with_the_roots_of_their_spreads() -> None:
    vae, pixels = autoencoder([12, 24], latent=3), pictures()
    principal_start(vae, pixels)
    latents = vae.encode(pixels).latent_dist.mode()
    # [N, 3, H, W] -> [N*H/2*W/2, 12]: what each latent cell sees
    cells = torch.nn.functional.unfold(pixels, 2, stride=2).movedim(1, 2).flatten(0, 1)
    centred = cells - cells.mean(0)
    spreads = torch.linalg.svdvals(centred)[:3] / len(centred) ** 0.5
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), spreads.sqrt(), rtol=0.02, atol=0)
    # three components hold these pictures' colours: a linear map of the latents gives them back
    points = latents.movedim(1, -1).flatten(0, 2)
    found = torch.linalg.lstsq(torch.cat([points, torch.ones(len(points), 1)], dim=1), cells)
    rebuilt = torch.cat([points, torch.ones(len(points), 1)], dim=1) @ found.solution
    assert float((rebuilt - cells).square().mean()) < 0.001


@torch.no_grad()
def test_the_level_of_a_single_picture_survives_normalisation() -> None:
    vae, pixels = autoencoder([12, 24], latent=3), pictures()
    principal_start(vae, pixels)
    dark, bright = (vae.encode(torch.full((1, 3, 16, 16), level)).latent_dist.mode() for level in (-0.5, 0.5))
    assert float((dark - bright)[:, 0].abs().min()) > 0.5


@torch.no_grad()
def test_latents_begin_with_little_noise() -> None:
    vae, pixels = autoencoder([12, 24], latent=3), pictures()
    principal_start(vae, pixels)
    assert float(vae.encode(pixels).latent_dist.std.max()) < 0.1


def test_a_decoder_begins_without_what_resnets_add() -> None:
    vae = autoencoder([12, 24], latent=3)
    principal_start(vae, pictures())
    assert all(float(r.conv2.weight.detach().abs().max()) == 0 for r in vae.decoder.mid_block.resnets)


@pytest.mark.parametrize(
    ("channels", "latent", "message"),
    [
        ([12, 12], 3, "the last two of block_out_channels are equal"),
        ([12, 24], 11, "11 latent channels came .* have room for 10"),
    ],
)
def test_shapes_without_room_are_refused(channels: list[int], latent: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        principal_start(autoencoder(channels, latent), pictures())
