"""Writing a painting model as a diffusers folder, which diffusers' own pipelines read as well."""

from pathlib import Path

from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

from gesso.diffusion.parts import PaintModel
from gesso.diffusion.schedule import DEFAULT_SAMPLER, make_scheduler

__all__ = ["save_folder"]


def save_folder(model: PaintModel, folder: Path) -> None:
    """Write every part, the scheduler's config and model_index.json."""
    # diffusers' pipelines insist on this offset, which Karras levels do not use
    found = make_scheduler(DEFAULT_SAMPLER, model.scheduler).config
    scheduler = DPMSolverMultistepScheduler.from_config(found, steps_offset=1)
    parts = {"unet": model.unet, "vae": model.vae, "scheduler": scheduler}
    for suffix, tokenizer, encoder in zip(
        ("", "_2"), model.text.tokenizers, model.text.encoders, strict=False
    ):
        parts |= {f"tokenizer{suffix}": tokenizer, f"text_encoder{suffix}": encoder}
    if len(model.text.encoders) == 2:
        StableDiffusionXLPipeline(**parts).save_pretrained(folder)
    else:
        more = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        StableDiffusionPipeline(**parts, **more).save_pretrained(folder)
