"""Checks of painting against the original's: attention, UNet with regions, sampler, whole pictures."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from gesso.canvas.layout import canvas_picture
from gesso.canvas.parse import read_canvas
from gesso.diffusion.attention import TextCall, TextProcessor, install_processor
from gesso.diffusion.conditions import PromptText, TextRegion, prompts_of
from gesso.diffusion.decode import decode_pixels, pictures_of
from gesso.diffusion.denoise import Run, denoise
from gesso.diffusion.encode import PromptEncoder
from gesso.diffusion.guidance import strategy
from gesso.diffusion.latents import blur_canvas, canvas_latent, picture_latent
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading, fit_mask
from gesso.diffusion.schedule import DEFAULT_SAMPLER, Schedule, make_schedule, make_scheduler
from gesso.diffusion.settings import Hires

__all__ = ["CHECKS"]

TOLERANCE: Final = 1e-4
"""Largest difference, as a share of the largest value."""

Parts = Mapping[str, Tensor]


def check_attention(case: Path) -> None:
    """One layer: masks at its size, what it reads of all regions and of the first, and self-attention."""
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    settings = _json(case / "case.json")["config"]
    shape = (settings["height"], settings["width"])
    masks = [given[f"mask.{n}"] for n in range(len(settings["tokens_per_region"]))]
    regions = [_region(mask, given[f"cond.{n}"]) for n, mask in enumerate(masks)]
    fitted = torch.stack([fit_mask(mask, shape) for mask in masks])
    assert torch.equal(fitted, expected["resized_masks"])
    _close(fitted[0].numel() / fitted.sum(dim=(1, 2)), expected["mask_scales"], "mask_scales")
    weights = load_file(case / "weights.safetensors")
    for name, found, result in (
        ("attn2", regions, "cross_out"),
        ("attn2", regions[:1], "cross_out_global_only"),
        ("attn1", None, "self_out"),
    ):
        layer = _attention(settings, name, _under(weights, f"{name}."))
        text = None if found is None else TextCall(shape, [ScoreReading(found, settings["batch"])])
        states = None if found is None else found[0].states
        with torch.no_grad():
            out = layer(given["hidden_states"], encoder_hidden_states=states, text=text)
        _close(out, expected[result], result)


def check_unet(case: Path) -> None:
    """A whole UNet with regions: one layer's output and the prediction, in square and in wide latents."""
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    settings = _json(case / "case.json")
    unet = _unet(settings["config"]["unet"], load_file(case / "weights.safetensors"))
    for run in settings["runs"]:
        name, layer = run["id"], run["hooked_layer"]
        count = len(run["windows_of_tokens"])
        regions = [_region(given["masks"][n], given[f"{name}.cond.{n}"]) for n in range(count)]
        seen: list[Tensor] = []
        hook = unet.get_submodule(layer).register_forward_hook(lambda *call, kept=seen: kept.append(call[2]))
        for found, result in ((regions, "output"), (regions[:1], "output_global_only")):
            predicted = _predict(unet, found, {key: given[f"{name}.{key}"] for key in UNET_INPUTS})
            _close(predicted, expected[f"{name}.{result}"], f"{name}.{result}")
        hook.remove()
        # the fixture's hook kept the last of the two calls, that with the first region only
        _close(seen[-1], expected[f"{name}.attn2.{layer}"], f"{name} {layer}")


UNET_INPUTS: Final = ("latents", "timestep", "text_embeds", "time_ids")


def _predict(unet: UNet2DConditionModel, regions: list[TextRegion], given: Parts) -> Tensor:
    latents, sizes = given["latents"], given["time_ids"]
    # the fixture's sizes are the picture's own, as the painter gives them
    size = (int(sizes[0, 1]), int(sizes[0, 0]))
    assert sizes.tolist() == [[size[1], size[0], 0, 0, size[1], size[0]]] * len(latents)
    noise = NoiseModel(unet, size, torch.float32)
    with torch.no_grad():
        return noise(latents, given["timestep"], [ScoreReading(regions)], given["text_embeds"])


def check_sampler(case: Path) -> None:
    """Noise levels, timesteps, and every state of the sampler on a denoiser that is a formula."""
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    scheduler = make_scheduler()
    trained = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()
    _close(trained, expected["sigmas_1000"], "sigmas_1000")
    for key in [key for key in expected if key.startswith("karras.") and key.endswith(".sigmas")]:
        levels = int(key.split(".")[1])
        schedule = make_schedule(DEFAULT_SAMPLER, levels)
        _close(schedule.scheduler.sigmas, expected[key], key)
        assert schedule.timesteps.tolist() == expected[f"karras.{levels}.timesteps"].tolist()
    for run in _json(case / "case.json")["runs"]:
        _check_trajectory(run, given["x0_unit_noise"], _under(expected, f"{run['id']}."))


def _check_trajectory(run: Mapping[str, Any], noise: Tensor, expected: Parts) -> None:
    schedule = make_schedule(DEFAULT_SAMPLER, run["steps"], run["strength"])
    sigmas = schedule.scheduler.sigmas[-run["steps"] - 1 :]
    _close(sigmas, expected["sigmas"], f"{run['id']}.sigmas")
    assert schedule.timesteps.tolist() == expected["timesteps"].tolist()
    latents = schedule.start(torch.zeros_like(noise[:1]), noise)
    for number, timestep in enumerate(schedule.timesteps):
        level = expected["sigmas"][number]
        original = latents * (1 + level**2).sqrt()  # diffusers keeps x / sqrt(1 + sigma^2)
        _close(original, expected["x"][number], f"{run['id']}.x[{number}]")
        denoised = (1.3 * latents).tanh() * (0.8 + 0.2 * level.cos())
        _close(denoised, expected["denoised"][number], f"{run['id']}.denoised[{number}]")
        latents = schedule.step((original - denoised) / level, timestep, latents)
    _close(latents, expected["x"][-1], f"{run['id']}.x[-1]")


def check_pipeline(case: Path) -> None:
    """From a planner's reply to latents after every step, decoded, enlarged, and painted once more."""
    expected = load_file(case / "expected.safetensors")
    inputs, settings = _json(case / "inputs.json"), _json(case / "case.json")
    weights = load_file(case / "weights.safetensors")
    vae = _vae(settings["config"]["vae"], _under(weights, "vae."))
    size = (inputs["width"], inputs["height"])
    text = _check_texts(case, inputs["reply"], inputs["negative_prompt"], expected, weights)
    starts = _check_starts(case, inputs, vae, expected)
    unet = _unet(settings["config"]["unet"], _under(weights, "unet."))
    noises = load_file(case / "inputs.safetensors")
    for run in inputs["runs"]:
        name, batch = run["id"], run["batch"]
        large = (inputs["hires"]["target_width"], inputs["hires"]["target_height"])
        noise = NoiseModel(unet, large if name == "hires" else size, torch.float32)
        guide = strategy("attention-scores").guide(noise, text, batch)
        latents = _check_run(
            run, guide, starts[run["init"]], noises[f"{name}.noise"], _under(expected, f"{name}.")
        )
        if name == "txt":
            _check_pixels(case, vae, latents, expected)


def _check_texts(case: Path, reply: str, negative: str, expected: Parts, weights: Parts) -> PromptText:
    encoder = _encoder(case, weights)
    canvas = read_canvas(reply, published=True).canvas
    regions = [encoder.region(prompt, "unprojected") for prompt in prompts_of(canvas)]
    for number, region in enumerate(regions):
        _close(region.states.sum(dim=-1), expected[f"cond.{number}"], f"cond.{number}")
    plain = encoder.plain(negative, torch.ones(90, 90), "unprojected")
    _close(plain.states.sum(dim=-1), expected["cond.negative.row_sums"], "negative states")
    _close(regions[0].pooled, expected["pooled.positive"], "pooled.positive")
    _close(plain.pooled, expected["pooled.negative"], "pooled.negative")
    return PromptText(tuple(regions), plain)


def _check_starts(
    case: Path, inputs: Mapping[str, Any], vae: AutoencoderKL, expected: Parts
) -> dict[str, Tensor]:
    """Initial latents by the names that runs call them."""
    size = (inputs["width"], inputs["height"])
    canvas = Pictures.open(case / "canvas.png").convert("RGB")
    drawn = canvas_picture(read_canvas(inputs["reply"], published=True).canvas)
    assert np.array_equal(np.asarray(canvas), drawn)
    _close(blur_canvas(canvas), expected["canvas.blurred_90"], "canvas.blurred_90")
    from_canvas = canvas_latent(vae, canvas, size)
    _close(from_canvas, expected["canvas.init_latent"], "canvas.init_latent")
    first = Pictures.open(case / "txt_decoded_0.png")
    large = Hires(scale=inputs["hires"]["scale"]).size(size)
    assert large == (inputs["hires"]["target_width"], inputs["hires"]["target_height"])
    enlarged = first.resize(large, Pictures.Resampling.LANCZOS)
    assert np.array_equal(np.asarray(enlarged), np.asarray(Pictures.open(case / "hires_input_0.png")))
    from_first = picture_latent(vae, first, large)
    _close(from_first, expected["hires.init_latent"], "hires.init_latent")
    zeros = torch.zeros_like(from_canvas)
    return {"zeros": zeros, "canvas.init_latent": from_canvas, "hires.init_latent": from_first}


def _check_run(run: Mapping[str, Any], guide: Any, initial: Tensor, noise: Tensor, expected: Parts) -> Tensor:
    schedule = _Recorded(make_schedule(DEFAULT_SAMPLER, run["steps"], run["strength"]))
    cleaned: list[Tensor] = []
    report = lambda step, clean: cleaned.append(clean()) if step == 1 else None  # noqa: E731
    latents = denoise(
        schedule.start(initial, noise), Run(schedule, guide, run["guidance"], [], report=report)
    )
    _close(cleaned[0], expected["denoised_first"], f"{run['id']}.denoised_first")
    sigmas = schedule.scheduler.sigmas[-run["steps"] - 1 :]
    for number, state in enumerate([*schedule.states, latents]):
        original = state * (1 + sigmas[number] ** 2).sqrt()
        _close(original, expected["x"][number], f"{run['id']}.x[{number}]")
    return latents


class _Recorded(Schedule):
    """A schedule that notes the latents before each step."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule.scheduler, schedule.timesteps)
        object.__setattr__(self, "states", [])

    def step(self, predicted: Tensor, timestep: Tensor, latents: Tensor, *more: Any) -> Tensor:
        self.states.append(latents)
        return super().step(predicted, timestep, latents, *more)


def _check_pixels(case: Path, vae: AutoencoderKL, latents: Tensor, expected: Parts) -> None:
    pixels = decode_pixels(vae, latents)
    _close(pixels[:1, :, 20:52, 20:52], expected["txt.pixels_crop"], "txt.pixels_crop")
    found = np.asarray(pictures_of(pixels)[0]).astype(int)
    difference = abs(found - np.asarray(Pictures.open(case / "txt_decoded_0.png")))
    # a value on the edge between two grey levels may fall on either side
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def _encoder(case: Path, weights: Parts) -> PromptEncoder:
    settings = _json(case / "case.json")["config"]
    encoders = []
    for name in ("text_encoder", "text_encoder_2"):
        encoder = CLIPTextModel(CLIPTextConfig(**settings[name])).eval()
        # a projection that lies in the file is not used by the original, nor by "unprojected" states
        encoder.load_state_dict(_under(weights, f"{name}.text_model."))
        encoders.append(encoder)
    tokenizers = [AutoTokenizer.from_pretrained(case / name) for name in ("tokenizer", "tokenizer_2")]
    return PromptEncoder(tuple(tokenizers), tuple(encoders))


def _attention(settings: Mapping[str, int], name: str, weights: Parts) -> Attention:
    cross = settings["cross_attention_dim"] if name == "attn2" else None
    layer = Attention(
        query_dim=settings["query_dim"],
        cross_attention_dim=cross,
        heads=settings["heads"],
        dim_head=settings["dim_head"],
        processor=TextProcessor(),
    )
    layer.load_state_dict(dict(weights))
    return layer.eval()


def _unet(settings: Mapping[str, Any], weights: Parts) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(**settings).eval()
    unet.load_state_dict(dict(weights))
    install_processor(unet)
    return unet


def _vae(settings: Mapping[str, Any], weights: Parts) -> AutoencoderKL:
    levels = len(settings["block_out_channels"])
    kinds = {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }
    vae = AutoencoderKL(**settings, **kinds).eval()
    vae.load_state_dict(dict(weights))
    return vae


def _region(mask: Tensor, states: Tensor) -> TextRegion:
    return TextRegion(mask, states, torch.ones(states.shape[1], dtype=torch.bool))


def _close(found: Tensor, expected: Tensor, what: str) -> None:
    assert found.shape == expected.shape, what
    largest = float((found - expected).abs().max())
    assert largest <= TOLERANCE * float(expected.abs().max()), f"{what} differs by {largest}"


def _under(tensors: Parts, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "omost/pipeline": check_pipeline,
    "omost/region-attention": check_attention,
    "omost/sampler": check_sampler,
    "omost/unet-regional": check_unet,
}
