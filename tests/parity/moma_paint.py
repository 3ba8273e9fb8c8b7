"""Checks of painting subjects against the original's: both kinds of layers, and whole pictures."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from gesso.diffusion.attention import TextCall, TextProcessor, install_processor
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.decode import decode_pixels
from gesso.diffusion.denoise import Run, denoise
from gesso.diffusion.encode import PromptEncoder
from gesso.diffusion.guide_subject import NamedSubject, SubjectGuide
from gesso.diffusion.latents import pixels_of
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading
from gesso.diffusion.schedule import make_schedule
from gesso.diffusion.subject_adapter import PictureKeys, ReferenceKeys, SubjectAdapter, attention_layers
from gesso.diffusion.subject_latent import SAMPLER, SAMPLER_CONFIG, noised_reference, reference_latent
from gesso.diffusion.subject_reading import Look, ReferenceMemory, SubjectReading, merge_maps
from gesso.diffusion.subjects import (
    Subject,
    SubjectFeatures,
    extract_features,
    gather_inside,
    subject_positions,
)
from gesso.models.moma.modules import PictureProjection

__all__ = ["CHECKS"]

Parts = Mapping[str, Tensor]
MARGIN: Final = 30
"""Times the reference's own distance from float64 that a value may differ by."""


def check_cross_attention(case: Path) -> None:
    """One cross-attention layer in every mode, its maps, and the merge of the maps of several layers."""
    settings = _json(case / "case.json")
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    attn, layer = _layer(case, settings["config"], PictureKeys)
    adapter: Any = SimpleNamespace(pictures=lambda _: layer)
    context, count = given["context"], settings["config"]["image_tokens"]
    text, tokens = context[:, :-count], context[:, -count:]
    positions = torch.tensor(settings["config"]["subject_indices"][0])
    previous = given["mask_prev_grid16"][0]  # [1, 16, 16]
    close = _closer(settings["tolerance"]["atol"], expected)

    def run(name: str, rows: slice, scale: float, positions: Tensor, weights: Tensor | None) -> None:
        readings = []
        for row in range(*rows.indices(2)):
            look = Look(tokens[row : row + 1], positions, scale)
            reading = SubjectReading(ScoreReading([_region(text[row : row + 1])]), [look], adapter)
            reading.weights = [weights]
            readings.append(reading)
        out = _attend(attn, given["hidden_states"][rows], readings)
        close(f"{name}.out", out)
        if len(positions):
            close(f"{name}.mask_i", torch.stack([reading.maps[0][0] for reading in readings]))

    both, nowhere = slice(0, 2), torch.empty(0, dtype=torch.long)
    run("inject", both, 1.0, nowhere, None)
    run("inject_scale", both, 0.6, nowhere, None)
    run("masked_first", both, 1.0, positions, None)
    run("masked_prev", both, 1.0, positions, previous)
    run("extract", both, 0.0, positions, None)
    run("extract_single", slice(0, 1), 0.0, positions, None)
    plain = [ScoreReading([_region(text[row : row + 1])]) for row in range(2)]
    close("disabled.out", _attend(attn, given["hidden_states"], plain))
    dropped = ScoreReading([_region(given["context_without_image_tokens"][:, :-count])])
    close("reference_pass.out", _attend(attn, given["hidden_states"][:1], [dropped]))
    maps = [expected[key] for key in sorted(key for key in expected if key.startswith("merge.in."))]
    largest = (maps[0].shape[2], maps[0].shape[3])
    merged = merge_maps([[each[half] for each in maps] for half in range(2)], largest)
    close("merge.out", merged)


def check_self_attention(case: Path) -> None:
    """One self-attention layer: what is kept of a reference, and how it is read under every mask."""
    settings = _json(case / "case.json")
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    attn, layer = _layer(case, settings["config"], ReferenceKeys)
    adapter: Any = SimpleNamespace(reference=lambda _: layer)
    close = _closer(settings["tolerance"]["atol"], expected)
    side = settings["config"]["side"]
    kept: list[tuple[Tensor, Tensor]] = []

    class Keep:
        def beside(self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: Any) -> None:
            kept.append(layer(attn, keys, values))

    reference = next(tensor for name, tensor in given.items() if "ref" in name)
    close("extract.out", _attend(attn, reference, None, Keep()))
    keys, values = kept[0]
    close("extract.keys", keys[0])
    close("extract.values", values[0])
    subject = np.asarray(Pictures.open(case / "subject_mask.png")) > 0
    mask = torch.from_numpy(subject)[None, None].float()
    previous = given["mask_ig_grid16"].flatten(0, -3)  # [1, 16, 16]
    states = given["hidden_states"]

    def run(name: str, strength: Any, inside: Tensor, weights: Tensor | None, rows: int = 2) -> None:
        features = SubjectFeatures({attn: gather_inside(keys, values, inside, (side, side))})
        memory = ReferenceMemory([features], [strength], [weights], adapter)
        close(f"{name}.out", _attend(attn, states[:rows], None, memory))

    close("disabled.out", _attend(attn, states, None, None))
    run("masked_first", 1.0, mask, None)
    run("masked_ig", 1.0, mask, previous)
    run("masked_ig_s04", 0.4, mask, previous)
    run("scale_tensor", torch.tensor([0.2, 0.9]).view(2, 1, 1, 1), mask, None)
    run("single", 1.0, mask, None, 1)
    run("all_masked", 1.0, torch.zeros_like(mask), None)
    run("no_mask_effect", 1.0, torch.ones_like(mask), None)


def check_generation(case: Path) -> None:
    """The reference pass, every step with its masks, and the decoded picture."""
    settings, inputs = _json(case / "case.json"), _json(case / "inputs.json")
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    weights = load_file(case / "weights.safetensors")
    unet, vae, prompts = _models(case, settings["config"], weights)
    noise = NoiseModel(unet, (512, 512), torch.float32)
    adapter = SubjectAdapter.of_tensors(unet, _under(weights, "self_cross_attentions/"))
    bounds = settings["float64_max_abs_diff"]

    def close(name: str, found: Tensor, key: str | None = None) -> None:
        wanted = expected[name]
        assert found.shape == wanted.shape, name
        allowed = MARGIN * bounds[key or name] + 1e-3 * float(wanted.abs().max())
        largest = float((found - wanted).abs().max())
        assert largest <= allowed, f"{name} differs by {largest}, allowed {allowed}"

    latent = reference_latent(
        vae, pixels_of(Pictures.open(case / "reference_512.png")), given["vae_sample_noise"]
    )
    close("reference.latents", latent)
    noisy = noised_reference(latent, given["reference_noise"])
    close("reference.noisy", noisy)
    whole = torch.ones(90, 90)
    mask = torch.tensor(np.asarray(Pictures.open(case / "mask_512.png")))[None, None].float()
    features = extract_features(noise, adapter, noisy, mask, prompts.plain(inputs["subject"], whole))
    _check_features(features, unet, mask, expected, MARGIN * bounds["stored.*"])
    projection = PictureProjection(settings["config"]["embedding_dim"], unet.config.cross_attention_dim)
    projection.load_state_dict(_under(weights, "projectors/"))
    embedding = given["mllm_embedding"]
    with torch.no_grad():
        tokens = torch.cat([projection(torch.zeros_like(embedding)), projection(embedding)])
    for name, run in _json(case / "expected.json")["runs"].items():
        assert f"photo of a {inputs['subject']}. {inputs['prompt']}" == run["text_prompt"]
        positive, negative = prompts.plain(run["text_prompt"], whole), prompts.plain("", whole)
        embedded = torch.cat([torch.cat([each.states[0], tokens[n]])[None]
                              for n, each in enumerate((negative, positive))])  # fmt: skip
        close("prompt_embeds", embedded)
        positions = subject_positions(prompts.tokenizers[0], positive.ids, inputs["subject"])
        assert positions.tolist() == run["subject_indices"][0]
        subject = Subject(inputs["subject"], tokens, features, run["strength"])
        guide = SubjectGuide(
            noise, PromptText((positive,), negative), [NamedSubject(subject, positions)], adapter, 1
        )
        latents = _check_steps(name, run, guide, given, close, inputs["guidance"])
        close(f"{name}.final_latents", latents)
        pixels = (decode_pixels(vae, latents) / 2 + 0.5).clamp(0, 1)
        close(f"{name}.image_crop", pixels[:, :, 200:232, 200:232])
        close(f"{name}.returned_mask", guide.masks[0].expand(3, -1, -1)[None])


def _check_steps(
    name: str, run: Any, guide: SubjectGuide, given: Parts, close: Callable[..., None], scale: float
) -> Tensor:
    schedule = make_schedule(SAMPLER, run["steps"], config=SAMPLER_CONFIG)
    assert schedule.timesteps.tolist() == run["timesteps"]
    seen: list[tuple[Tensor, Tensor]] = []
    plain = guide.refine
    # the latents of the step before, and the masks that it found
    guide.refine = lambda latents, step: (seen.append((latents, guide.masks[0])), plain(latents, step))[1]
    latents = denoise(given[f"{name}.initial_noise"], Run(schedule, guide, scale, []))
    found = [*seen[1:], (latents, guide.masks[0])]
    close(f"{name}.x", torch.stack([each for each, _ in found]))
    close(f"{name}.masks", torch.stack([each[:, None] for _, each in found]))
    return latents


def _check_features(
    features: SubjectFeatures, unet: UNet2DConditionModel, mask: Tensor, expected: Parts, allowed: float
) -> None:
    for name, attn in attention_layers(unet).items():
        if attn not in features.layers:
            continue
        for which, kept in zip(("keys", "values"), features.layers[attn], strict=True):
            key = f"stored.{name}.processor.{which}"
            whole = expected[key if key in expected else f"{key}.head0"]
            side = round(whole.shape[1] ** 0.5)
            inside, _ = gather_inside(whole[None], whole[None], mask, (side, side))
            found = kept if key in expected else kept[:, :1]
            assert found.shape == inside.shape, key
            assert float((found - inside).abs().max()) <= allowed, key


def _models(
    case: Path, config: Mapping[str, Any], weights: Parts
) -> tuple[UNet2DConditionModel, AutoencoderKL, PromptEncoder]:
    unet = UNet2DConditionModel(**config["unet"]).eval()
    unet.load_state_dict(_under(weights, "unet."))
    install_processor(unet)
    levels = len(config["vae"]["block_out_channels"])
    vae = AutoencoderKL(
        **config["vae"],
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
    ).eval()
    vae.load_state_dict(_under(weights, "vae."))
    encoder = CLIPTextModel(CLIPTextConfig(**config["text_encoder"])).eval()
    encoder.load_state_dict(_under(weights, "text_encoder.text_model."))
    tokenizer = AutoTokenizer.from_pretrained(case / "tokenizer")
    return unet, vae, PromptEncoder((tokenizer,), (encoder,))


def _layer(case: Path, settings: Mapping[str, Any], kind: type[Any]) -> tuple[Attention, Any]:
    weights = load_file(case / "weights.safetensors")
    attn = Attention(
        query_dim=settings["query_dim"],
        cross_attention_dim=settings.get("cross_attention_dim"),
        heads=settings["heads"],
        dim_head=settings["dim_head"],
        processor=TextProcessor(),
    ).eval()
    attn.load_state_dict(_under(weights, "attn."))
    layer = kind(attn)
    layer.load_state_dict(_under(weights, "processor."))
    return attn, layer


def _attend(attn: Attention, states: Tensor, readings: Any, memory: Any = None) -> Tensor:
    side = round(states.shape[1] ** 0.5)
    text = TextCall((side, side), readings or [], memory)
    with torch.no_grad():
        return attn(states, encoder_hidden_states=None if readings is None else states, text=text)


def _region(states: Tensor) -> TextRegion:
    return TextRegion(torch.ones(90, 90), states, torch.ones(states.shape[1], dtype=torch.bool))


def _closer(allowed: float, expected: Parts) -> Callable[[str, Tensor], None]:
    def close(name: str, found: Tensor) -> None:
        assert found.shape == expected[name].shape, (name, found.shape, expected[name].shape)
        largest = float((found - expected[name]).abs().max())
        assert largest <= allowed, f"{name} differs by {largest}"

    return close


def _under(tensors: Parts, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "moma/cross-attention": check_cross_attention,
    "moma/generation": check_generation,
    "moma/self-attention": check_self_attention,
}
