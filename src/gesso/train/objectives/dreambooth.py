"""DreamBooth (arXiv 2208.12242) by LoRA (arXiv 2106.09685): many pictures of one subject, and a word for it.

The UNet's attention, and if wished the text encoders', learn low-rank changes. So that the word does not take
the whole class with it, the model learns beside them pictures of the class that it painted before.

Letters: B pictures of the subject, and as many of the class; the batch holds the subject's first.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import get_peft_model_state_dict
from rich.markup import escape
from torch import Tensor, nn

from gesso.config.schema import DreamboothSettings, LoraSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.engines.paint_build import load_paint_engine
from gesso.train.lora import add_lora
from gesso.train.picture_folder import PictureFolder, count_pictures, paint_missing
from gesso.train.subject_painting import FrozenPainter, SubjectPictures
from gesso.train.subject_reading import TextReading

__all__ = ["DreamboothObjective"]

TARGETS: Final = ("to_q", "to_k", "to_v", "0", "q_proj", "k_proj", "v_proj", "out_proj")
"""Attention's maps, of the UNet ("0" is the first of `to_out`) and of text encoders."""

PARTS: Final = ("unet", "text")


class DreamboothObjective:
    """Changes of a painter's attention, by which it knows one subject.

    Raises:
        ConfigError: settings are missing or do not fit each other.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.dreambooth is None:
            raise ConfigError("dreambooth.prompt is missing; give the words for the subject, such as "
                              '"a photo of sks dog"')  # fmt: skip
        self.settings, self.data = recipe.dreambooth, recipe.data
        self.lora = recipe.lora or LoraSettings(parts=("unet",))
        unknown = sorted(set(self.lora.parts) - set(PARTS))
        if unknown:
            raise ConfigError(f"lora.parts names {', '.join(unknown)}; a painter has {', '.join(PARTS)}")
        if recipe.lora is not None and recipe.lora.train:
            raise ConfigError("lora.train is set, and a LoRA holds no whole weights; leave it out")
        self.pictures = PictureFolder(Path(str(recipe.data.path)), recipe.data.size)
        self.painter = FrozenPainter(recipe)
        self.prior = _prior(self.settings, self.painter.name, recipe.data.size)
        self._parts = self._adapted()
        self.module: nn.Module = nn.ModuleDict(
            {"unet": self.painter.model.unet, "vae": self.painter.model.vae,
             "text": nn.ModuleList(self.painter.model.text.encoders)}
        )  # fmt: skip

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What learns."""
        return {name: nn.ModuleList(modules.values()) for name, modules in self._parts.items()}

    @property
    def examples(self) -> int:
        """Pictures of the subject."""
        return len(self.pictures)

    def batch(self, examples: list[int], number: int) -> SubjectPictures:
        """Pictures of the subject, then as many of its class, each with its words."""
        random = np.random.default_rng([self.data.seed, number])
        found = [self.pictures.picture(index) for index in examples]
        texts = [self.settings.prompt] * len(found)
        if self.prior is not None:
            others = random.integers(len(self.prior), size=len(found))
            found += [self.prior.picture(int(index)) for index in others]
            texts += [str(self.settings.class_prompt)] * len(others)
        return self.painter.draw_pictures(found, texts, random)

    def loss(self, batch: SubjectPictures) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction for the subject, and weighed for its class (eq. 2)."""
        painter = self.painter
        with torch.no_grad():
            noised, target = painter.noised(batch)
        states, pooled = painter.read(batch.texts)
        predicted = painter.noise(noised, batch.timesteps, [TextReading(states)], pooled)
        errors = (predicted - target).square().mean(dim=(1, 2, 3))  # [B or 2 B]
        count = len(errors) if self.prior is None else len(errors) // 2
        own = errors[:count].mean()
        figures = {"tokens": count, "error": float(own.detach())}
        if self.prior is None:
            return own, figures
        kept = errors[count:].mean()
        return own + self.settings.prior_weight * kept, {**figures, "class": float(kept.detach())}

    def show(self, example: int) -> str:
        """The words of both kinds of pictures."""
        kept = f"\n[dim]{escape(str(self.settings.class_prompt))}[/dim]" if self.prior is not None else ""
        return f"[dim]{escape(self.settings.prompt)}[/dim]{kept}\n[green]their pictures[/green]"

    def save(self, folder: Path) -> None:
        """A LoRA in diffusers' layout, and beside it the words for the subject."""
        folder.mkdir(parents=True, exist_ok=True)
        layers: dict[str, Any] = {}
        for modules in self._parts.values():
            for name, module in modules.items():
                layers |= {
                    f"{name}_lora_layers": _state(name, module),
                    f"{name}_lora_adapter_metadata": _told(module),
                }
        kind = StableDiffusionXLPipeline if self.painter.sdxl else StableDiffusionPipeline
        kind.save_lora_weights(folder, **layers)
        said = {"prompt": self.settings.prompt, "painter": Path(self.painter.name).resolve().as_posix()}
        (folder / "dreambooth.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")

    def _adapted(self) -> dict[str, dict[str, nn.Module]]:
        """Part of the recipe -> modules with adapters, by the names that LoRA files give them."""
        model = self.painter.model
        found: dict[str, dict[str, nn.Module]] = {"unet": {"unet": model.unet}}
        names = ("text_encoder", "text_encoder_2")
        found["text"] = dict(zip(names, model.text.encoders, strict=False))
        chosen = {part: found[part] for part in self.lora.parts}
        targets = self.lora.targets or TARGETS
        for modules in chosen.values():
            for name, module in modules.items():
                settings = LoraSettings(
                    parts=(name,), rank=self.lora.rank, alpha=self.lora.alpha, dropout=self.lora.dropout,
                    targets=targets,
                )  # fmt: skip
                add_lora(module, {name: module}, settings)
        return chosen


def _prior(settings: DreamboothSettings, painter: str, size: int) -> PictureFolder | None:
    """Pictures of the class; what is missing of them is painted by the model as it was."""
    if settings.class_prompt is None:
        return None
    folder = Path(settings.prior)
    if count_pictures(folder) < settings.prior_count:
        engine = load_paint_engine(painter)
        paint_missing(
            engine, folder, settings.class_prompt, settings.prior_count, size=size, steps=settings.prior_steps
        )
    return PictureFolder(folder, size)


def _state(name: str, module: nn.Module) -> dict[str, Tensor]:
    """The adapter's tensors under the names that files give them."""
    state = get_peft_model_state_dict(module)
    # transformers keeps this prefix on disk; in memory only models with a projection have it
    prefix = (
        "text_model." if name != "unet" and not any(key.startswith("text_model.") for key in state) else ""
    )
    return {f"{prefix}{key}": tensor.detach().cpu().contiguous() for key, tensor in state.items()}


def _told(module: Any) -> dict[str, Any]:
    """What diffusers wants to know of an adapter, as values of JSON."""
    config = module.peft_config["default"].to_dict()
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
