from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from rich.text import Text
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from gesso.canvas.vocabulary import GRID
from gesso.config.schema import DiffusionSettings
from gesso.core.errors import ConfigError, TrainingError
from gesso.diffusion.conditions import RegionPrompt
from gesso.diffusion.load import read_folder
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading
from gesso.train.ema import decay_at
from gesso.train.loop import train
from gesso.train.objectives.diffusion import DiffusionObjective, min_snr_weights
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import SIDE, UNET, diffusion, painter_parts

Make = Callable[..., DiffusionObjective]


@pytest.fixture
def make(make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Make:
    """Makes a tiny objective: `make("diffusion.things=0")`."""
    return lambda *overrides: diffusion(make_recipe, tmp_path / "parts", tokenizer, *overrides)


def signal(timesteps: Tensor) -> Tensor:
    """Share of the signal in the variance, from SDXL's betas."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return (1 - betas).cumprod(0)[timesteps]


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weights_follow_their_formula(gamma: float) -> None:
    timesteps = torch.tensor([0, 1, 100, 400, 700, 999])
    snr = signal(timesteps) / (1 - signal(timesteps))
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    for prediction, share in (("epsilon", snr), ("v_prediction", snr + 1)):
        settings = DiffusionSettings(prediction=prediction, snr_gamma=gamma)
        found = min_snr_weights(DDPMScheduler(**betas), timesteps, settings)
        expected = torch.minimum(snr, torch.full_like(snr, gamma)) / share
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_without_a_gamma_all_noise_levels_count_alike() -> None:
    settings = DiffusionSettings(prediction="v_prediction", snr_gamma=0)
    assert min_snr_weights(DDPMScheduler(), torch.tensor([0, 500, 999]), settings).tolist() == [1, 1, 1]


def test_a_batch_holds_latents_noise_and_texts(make: Make) -> None:
    objective = make("diffusion.dropout=0", "diffusion.regions=1", "diffusion.window=60")
    batch = objective.batch([3, 0], number=9)
    assert batch.latents.shape == batch.noise.shape == (2, 4, SIDE, SIDE)
    assert torch.equal(batch.latents, objective.latents.batch([3, 0]))
    assert batch.ids.shape == (int(batch.counts.sum()), 60)
    assert batch.boxes.shape == (len(batch.ids), 4)
    assert batch.boxes[0].tolist() == [0, GRID, 0, GRID]
    assert batch.counts.tolist()[0] >= 1 + len(objective.latents.pictures.scene(3).things)
    assert not batch.projected.any()  # the painter reads the unprojected state with regions
    again = objective.batch([3, 0], number=9)
    assert torch.equal(again.noise, batch.noise)
    assert torch.equal(again.timesteps, batch.timesteps)
    assert not torch.equal(objective.batch([3, 0], number=10).noise, batch.noise)


def test_every_stretch_of_noise_levels_is_in_a_batch(make: Make) -> None:
    objective = make()
    for number in range(5):
        stretches = objective.batch(list(range(8)), number).timesteps * 8 // 1000
        assert sorted(stretches.tolist()) == list(range(8))


def test_the_shares_of_forms_are_those_asked_for(make: Make) -> None:
    for settings, forms in (
        (("diffusion.dropout=1",), {"nothing"}),
        (("diffusion.dropout=0", "diffusion.regions=1"), {"regions"}),
        (("diffusion.dropout=0", "diffusion.regions=0"), {"description", "caption"}),
    ):
        objective = make(*settings)
        shown = [Text.from_markup(objective.show(index)).plain.splitlines()[0] for index in range(8)]
        assert {line.split("told by ")[1] for line in shown} == forms


def test_cells_that_show_things_weigh_more(make: Make) -> None:
    objective = make("diffusion.things=3")
    weights = objective.batch([1], 0).weights
    assert weights.shape == (1, 1, SIDE, SIDE)
    assert float(weights.mean()) == pytest.approx(1)
    shown = torch.from_numpy(objective.latents.pictures.grid(1) > 0)
    inside, outside = weights[0, 0][shown], weights[0, 0][~shown]
    assert inside.unique().numel() == outside.unique().numel() == 1
    assert float(inside[0] / outside[0]) == pytest.approx(4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_the_painters_own_prediction(make: Make, prediction: str) -> None:
    """Each picture through the painter's encoder and reading, and the formula over what comes out."""
    objective = make(f"diffusion.prediction={prediction}", "diffusion.dropout=0", "model.attention=sdpa")
    batch = objective.batch([0, 1, 2], number=4)
    expected = torch.stack([_expected(objective, batch, row, prediction) for row in range(3)]).mean()
    loss, figures = objective.loss(batch)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert figures["tokens"] == 3


def _expected(objective: DiffusionObjective, batch: Any, row: int, prediction: str) -> Tensor:
    form, told = objective._told([0, 1, 2][row], 4)
    encoder = objective.texts.encoder(77)
    pooled = "unprojected" if form == "regions" else "projected"
    regions = []
    for one in told:
        mask = torch.zeros(GRID, GRID)
        mask[one.box[0] : one.box[1], one.box[2] : one.box[3]] = 1
        regions.append(encoder.region(RegionPrompt(mask, one.prefixes, one.suffixes), pooled))
    kept = signal(batch.timesteps[row])
    latent, noise = batch.latents[row : row + 1], batch.noise[row : row + 1]
    noised = kept.sqrt() * latent + (1 - kept).sqrt() * noise
    target = noise if prediction == "epsilon" else kept.sqrt() * noise - (1 - kept).sqrt() * latent
    model = NoiseModel(objective.unet, (32, 32), torch.float32)
    found = model(noised, batch.timesteps[row : row + 1], [ScoreReading(regions)], regions[0].pooled)
    snr = kept / (1 - kept)
    weight = snr.clamp(max=5) / (snr if prediction == "epsilon" else snr + 1)
    return weight * ((found - target).square() * batch.weights[row]).mean()


def test_both_kinds_of_attention_are_the_same(make: Make) -> None:
    losses = []
    for kind in ("sdpa", "eager"):
        objective = make(f"model.attention={kind}")
        loss, _ = objective.loss(objective.batch([0, 1], 0))
        loss.backward()
        norm = sum(float(p.grad.square().sum()) for p in objective.unet.parameters() if p.grad is not None)
        losses.append((float(loss.detach()), norm))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_unet_learns_and_its_texts_do_not(make: Make) -> None:
    objective = make("diffusion.average=0")
    batch = objective.batch([0, 1], 0)
    before = {name: weight.clone() for name, weight in objective.texts.state_dict().items()}
    told = learn(objective, batch, 20, 3e-3, objective.parts["unet"].parameters())
    assert told[-1]["loss"] < 0.7 * told[0]["loss"]
    assert all(torch.equal(weight, before[name]) for name, weight in objective.texts.state_dict().items())
    assert not any(parameter.requires_grad for parameter in objective.texts.parameters())


class Interrupted(DiffusionObjective):
    """Stops as by Ctrl-C after some steps."""

    left: int = -1

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().loss(batch)


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    parts = painter_parts(make_recipe, tmp_path / "parts", tokenizer)
    settings = (UNET, *parts, "run.steps=4", "run.save_every=2", "optim.muon=2", "run.precision=bf16")
    made: list[Interrupted] = []

    def build(recipe: Any, left: int) -> Interrupted:
        made.append(Interrupted(recipe))
        made[-1].left = left
        return made[-1]

    whole = make_recipe("diffusion", *settings, f"run.out={tmp_path}/whole")
    broken = make_recipe("diffusion", *settings, f"run.out={tmp_path}/broken")
    train(whole, lambda: build(whole, -1))
    with pytest.raises(KeyboardInterrupt):
        train(broken, lambda: build(broken, 3))
    train(broken, lambda: build(broken, -1))
    first, last = made[0], made[-1]
    assert int(last.average.n_averaged) == 4
    for part in ("unet", "average"):
        weights = getattr(last, part).state_dict()
        assert all(torch.equal(w, weights[name]) for name, w in getattr(first, part).state_dict().items())
    assert not all(
        torch.equal(w, last.average.module.state_dict()[name]) for name, w in last.unet.state_dict().items()
    )


def test_the_average_follows_every_step(make: Make) -> None:
    objective = make("diffusion.average=0.7")
    weight, shadow = objective.unet.conv_in.weight, objective.average.module.conv_in.weight
    expected: Tensor | None = None
    for updates in range(4):
        with torch.no_grad():
            weight.add_(torch.randn_like(weight))
        objective.after_step()
        decay = decay_at(updates, 0.7)
        new = weight.detach()
        expected = new.clone() if expected is None else decay * expected + (1 - decay) * new
        torch.testing.assert_close(shadow, expected, rtol=1e-5, atol=1e-6)


def test_the_saved_painter_is_whole_and_its_unet_the_average(make: Make, tmp_path: Path) -> None:
    objective = make("diffusion.prediction=v_prediction", "diffusion.window=40")
    objective.after_step()
    with torch.no_grad():
        objective.unet.conv_in.weight.add_(1)
    objective.after_step()
    objective.save(tmp_path / "painter")
    model = read_folder(tmp_path / "painter")
    own = objective.average.module.state_dict()
    assert all(torch.equal(weight, own[name]) for name, weight in model.unet.state_dict().items())
    assert model.scheduler["prediction_type"] == "v_prediction"
    assert model.vae.config["scaling_factor"] == objective.vae.config["scaling_factor"]
    assert model.text.tokenizers[0].model_max_length == 40


def test_without_an_average_the_weights_are_saved(make: Make, tmp_path: Path) -> None:
    objective = make("diffusion.average=0")
    objective.after_step()
    with torch.no_grad():
        objective.unet.conv_in.weight.add_(1)
    objective.save(tmp_path / "painter")
    saved = read_folder(tmp_path / "painter").unet.conv_in.weight
    assert torch.equal(saved, objective.unet.conv_in.weight)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_diffusers_own_pipeline_paints_with_it(make: Make, tmp_path: Path) -> None:
    make("diffusion.window=40").save(tmp_path / "painter")
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "painter")
    pipeline.set_progress_bar_config(disable=True)
    painted = pipeline("on a meadow: a red cat", num_inference_steps=2, width=32, height=32, output_type="np")
    assert painted.images.shape == (1, 32, 32, 3)


def test_what_is_shown_are_the_texts_with_their_places(make: Make) -> None:
    objective = make("diffusion.dropout=0", "diffusion.regions=1", "data.chinese=0")
    shown = Text.from_markup(objective.show(0)).plain
    scene = objective.latents.pictures.scene(0)
    assert "rows 0-90, columns 0-90: " in shown
    for thing in scene.things:
        assert f"{thing.colour} {thing.kind}" in shown
    assert f"the epsilon of its 4 x {SIDE} x {SIDE} latent" in shown


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("model.autoencoder=nowhere", ConfigError, r"model\.autoencoder nowhere is no folder"),
        ("model.shape.unet.blok=3", ConfigError, r"model\.shape\.unet has blok, unknown to UNet2DCond"),
        ("diffusion.window=78", TrainingError, "windows of 78 ids do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(
    make: Make, override: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(override)
