"""SDXL at its own size and 1024 px on a GPU: steps a second, beside plain diffusers; prints one line of JSON.

    python benchmarks/sdxl_gpu.py                                   # needs CUDA
    python benchmarks/sdxl_gpu.py --device cpu --tiny --size 128    # only to see that it works

Whole denoising loops on one UNet with random weights, in turns, the fastest of each: "diffusers" is its SDXL
pipeline with one window of text, "plain" is gesso with the same text, "regional" is gesso with 1 + 4 regions
of two windows each. Texts are encoded before and latents are not decoded: both sides have the same parts for
that. Shares are steps a second, of those of diffusers.
"""

import argparse
import json
import time
from collections.abc import Callable
from types import SimpleNamespace

import diffusers
import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from regional_step import Contest, build
from report import setting

from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import PromptText
from gesso.diffusion.denoise import Run, denoise
from gesso.diffusion.guidance import strategy
from gesso.diffusion.latents import draw_noise, generators_for
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.schedule import DEFAULT_SAMPLER, Schedule, make_schedule, make_scheduler

SCALE = 5.0
CELL = 8
"""Pixels along one side of a cell of SDXL's latent."""


class Loops:
    """The three ways down from the same noise, each as a call that gives the latent."""

    def __init__(self, options: argparse.Namespace) -> None:
        shape = SimpleNamespace(
            full=not options.tiny, tiny=options.tiny, device=options.device, dtype=options.dtype
        )
        self.size, self.steps, self.device = options.size, options.steps, options.device
        self.unet = build(shape)
        self.contest = Contest(self.unet, options.size // CELL)
        noise = draw_noise(generators_for(1, 1), (4, *[options.size // CELL] * 2)).to(options.device)
        # diffusers' pipeline would begin with 0.2 % more noise than belongs to the first level
        self.begin = self._schedule().start(torch.zeros_like(noise), noise)
        self.pipeline = StableDiffusionXLPipeline(
            vae=None,
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            unet=self.unet,
            scheduler=make_scheduler(),
        )
        self.pipeline.set_progress_bar_config(disable=True)

    def diffusers(self) -> torch.Tensor:
        self.unet.set_attn_processor(AttnProcessor2_0())
        text, pooled = self.contest.negative.states, self.contest.pooled
        return self.pipeline(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            pooled_prompt_embeds=pooled,
            negative_pooled_prompt_embeds=pooled,
            latents=self.begin.to(self.unet.dtype),
            width=self.size,
            height=self.size,
            num_inference_steps=self.steps,
            guidance_scale=SCALE,
            output_type="latent",
        ).images

    def plain(self) -> torch.Tensor:
        return self._gesso(PromptText((self.contest.negative,), self.contest.negative))

    def regional(self) -> torch.Tensor:
        return self._gesso(PromptText(tuple(self.contest.texts), self.contest.negative))

    def _gesso(self, text: PromptText) -> torch.Tensor:
        install_processor(self.unet)
        noise_model = NoiseModel(self.unet, (self.size, self.size), self.unet.dtype)
        guide = strategy("attention-scores").guide(noise_model, text, 1)
        return denoise(self.begin, Run(self._schedule(), guide, SCALE, generators_for(1, 1)))

    def _schedule(self) -> Schedule:
        return make_schedule(DEFAULT_SAMPLER, self.steps, device=self.device)


def seconds(call: Callable[[], object], device: str) -> float:
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", help="of the UNet [float16; float32 on the CPU]")
    parser.add_argument("--tiny", action="store_true", help="hardly a model, only to see that it works")
    parser.add_argument("--size", type=int, default=1024, help="side of the picture in pixels")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; on the CPU this says nothing, but --device cpu runs")
    options.dtype = options.dtype or ("float32" if options.device == "cpu" else "float16")
    print(json.dumps({"benchmark": "sdxl_gpu", **measure(options), **vars(options), **place(options)}))


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Steps a second of each way, gesso's shares, and how much memory the regional way takes at most."""
    with torch.inference_mode():
        loops = Loops(options)
        ways = {name: getattr(loops, name) for name in ("diffusers", "plain", "regional")}
        for way in ways.values():
            way()  # kernels are chosen the first time
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.runs):
            for name, way in ways.items():
                times[name].append(seconds(way, options.device))
        report = {f"{name}_steps_s": options.steps / min(kept) for name, kept in times.items()}
        for name in ("plain", "regional"):
            report[f"{name}_share"] = report[f"{name}_steps_s"] / report["diffusers_steps_s"]
        # of the same text: both must go the same way down, up to rounding
        ours, theirs = loops.plain().float(), loops.diffusers().float()
        report["plain_difference"] = float((ours - theirs).abs().max() / theirs.abs().max())
        if options.device != "cpu":
            torch.cuda.reset_peak_memory_stats(options.device)
            loops.regional()
            report["regional_peak_gb"] = torch.cuda.max_memory_allocated(options.device) / 1e9
    return {name: round(value, 4) for name, value in report.items()}


def place(options: argparse.Namespace) -> dict[str, str]:
    """Where this was measured."""
    gpu = "none" if options.device == "cpu" else torch.cuda.get_device_name(options.device)
    return {**setting(), "gpu": gpu, "torch": torch.__version__, "diffusers": diffusers.__version__}


if __name__ == "__main__":
    main()
