import torch

from diffusion.tiny_paint import scene, sd15
from gesso.diffusion.latents import encode_pixels, pixels_of
from gesso.diffusion.subject_latent import noised_reference, reference_latent


def test_without_noise_the_latent_is_the_likeliest():
    vae, pixels = sd15().vae, pixels_of(scene())
    shape = (1, 4, 16, 24)
    assert torch.allclose(reference_latent(vae, pixels, torch.zeros(shape)), encode_pixels(vae, pixels))
    assert not torch.allclose(reference_latent(vae, pixels, torch.ones(shape)), encode_pixels(vae, pixels))


def test_the_first_timestep_hardly_hides_anything():
    latent, noise = torch.ones(1, 4, 2, 2), torch.full((1, 4, 2, 2), 2.0)
    kept = 1 - 0.00085  # the first of the betas
    expected = kept**0.5 * latent + (1 - kept) ** 0.5 * noise
    assert torch.allclose(noised_reference(latent, noise), expected)
