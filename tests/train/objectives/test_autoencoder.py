from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from rich.text import Text

from gesso.config.schema import OptimSettings
from gesso.core.errors import ConfigError
from gesso.train.latents import pixel_batch
from gesso.train.objectives.autoencoder import edge_error
from gesso.train.optim import build_optimizers
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import AUTOENCODER, autoencoder


def test_a_batch_holds_pieces_of_its_pictures(make_recipe: MakeRecipe) -> None:
    objective = autoencoder(make_recipe)
    pieces = objective.batch([3, 0], number=7).pixels
    assert pieces.shape == (2, 3, 16, 16)
    whole = pixel_batch(objective.pictures, [3])[0]
    windows = whole.unfold(1, 16, 1).unfold(2, 16, 1)  # [3, 17, 17, 16, 16]
    assert bool((windows == pieces[0][:, None, None]).flatten(3).all(-1).all(0).any())
    assert torch.equal(objective.batch([3, 0], number=7).pixels, pieces)
    assert not torch.equal(objective.batch([3, 0], number=8).pixels, pieces)


def test_the_loss_is_error_edges_and_divergence(make_recipe: MakeRecipe) -> None:
    objective = autoencoder(make_recipe, "autoencoder.edges=0.7", "autoencoder.kl=0.02")
    batch = objective.batch([0, 1], 0)
    torch.manual_seed(3)
    loss, figures = objective.loss(batch)
    torch.manual_seed(3)
    found = objective.vae.encode(batch.pixels).latent_dist
    rebuilt = objective.vae.decode(found.sample()).sample
    level = (rebuilt - batch.pixels).square().mean()
    variance = found.logvar.exp()
    divergence = 0.5 * (found.mean.square() + variance - 1 - found.logvar).mean()
    expected = level + 0.7 * edge_error(rebuilt, batch.pixels) + 0.02 * divergence
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert figures["kl"] == pytest.approx(float(divergence.detach()), rel=1e-5)
    assert figures["tokens"] == 2


def test_edges_see_what_the_mean_does_not() -> None:
    flat = torch.zeros(1, 3, 8, 8)
    stripes = torch.ones(8).view(1, 1, 1, 8) * torch.tensor([1.0, -1.0]).repeat(4)
    assert float(edge_error(flat + 0.5, flat)) == 0
    # one pixel stripes of +-1: neighbours differ by 2 along x at the finest scale, and by nothing elsewhere
    assert float(edge_error(flat + stripes, flat)) == pytest.approx(4 / 6)


def test_the_autoencoder_learns(make_recipe: MakeRecipe) -> None:
    objective = autoencoder(make_recipe)
    batch = objective.batch([0, 1], 0)
    told = learn(objective, batch, 25, 1e-2)
    assert told[-1]["level"] < 0.7 * told[0]["level"]


def test_the_saved_factor_brings_latents_to_unit_variance(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    objective = autoencoder(make_recipe)
    objective.save(tmp_path / "vae")
    vae = AutoencoderKL.from_pretrained(tmp_path / "vae")
    with torch.no_grad():
        modes = vae.encode(pixel_batch(objective.pictures, list(range(8)))).latent_dist.mode()
    assert float((modes * vae.config["scaling_factor"]).std()) == pytest.approx(1, rel=1e-4)
    assert all(torch.equal(w, vae.state_dict()[name]) for name, w in objective.vae.state_dict().items())
    assert objective.vae.training


def test_what_is_shown_is_the_piece(make_recipe: MakeRecipe) -> None:
    objective = autoencoder(make_recipe)
    shown = objective.show(2)
    assert "[green]the same pixels[/green]" in shown
    assert "the 16 x 16 pixels at row" in Text.from_markup(shown).plain


@pytest.mark.parametrize("crop", [15, 34])
def test_pieces_that_no_latent_fits_are_refused(make_recipe: MakeRecipe, crop: int) -> None:
    with pytest.raises(ConfigError, match=rf"autoencoder\.crop {crop} and data\.size 32"):
        autoencoder(make_recipe, f"autoencoder.crop={crop}")


def test_an_unknown_size_is_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(
        ConfigError, match=r"model\.shape\.autoencoder has blok_out, unknown to AutoencoderKL"
    ):
        autoencoder(make_recipe, "model.shape.autoencoder.blok_out=3")


def test_a_principal_start_tells_bright_from_dark(make_recipe: MakeRecipe) -> None:
    wide = AUTOENCODER.replace("[8, 8]", "[12, 24]")
    objective = autoencoder(make_recipe, wide, "autoencoder.principal=true")
    pixels = pixel_batch(objective.pictures, [0, 1, 2])
    first = objective.vae.encode(pixels).latent_dist.mode().detach()[:, 0].flatten()
    brightness = torch.nn.functional.avg_pool2d(pixels.mean(1), 2).flatten()
    assert abs(float(torch.corrcoef(torch.stack([first, brightness]))[0, 1])) > 0.95


def test_a_later_stage_leaves_the_latents_alone(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    autoencoder(make_recipe).save(tmp_path / "vae")
    later = autoencoder(make_recipe, f"model.init={(tmp_path / 'vae').as_posix()}", "autoencoder.crop=32")
    before = {name: weight.clone() for name, weight in later.vae.state_dict().items()}
    (optimizer,) = build_optimizers(later.parts, OptimSettings(), {"encoder": 0.0})
    later.loss(later.batch([0, 1], 0))[0].backward()
    optimizer.step()
    moved = {
        name.split(".")[0] for name, w in later.vae.state_dict().items() if not torch.equal(w, before[name])
    }
    assert moved == {"decoder", "post_quant_conv"}


def test_a_stage_that_is_not_there_is_named(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"model\.init nowhere is no folder"):
        autoencoder(make_recipe, "model.init=nowhere")
