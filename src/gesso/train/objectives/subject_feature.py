"""MoMA's first stage: a LLaVA learns what a subject will look like in a picture it is told of.

From the reference on white and the prompt, the mapped state of the language model shall be the embedding that
a CLIP gives of the picture itself (MoMA, arXiv 2404.05674, section 3.1; its authors name CLIP's as the
supervising embedding). Parts of the LLaVA are frozen unless `tune` gives them a rate.

Letters: B examples, E width of the embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.markup import escape
from torch import Tensor, nn
from torch.nn import functional

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.models.base import Encoded
from gesso.models.clip import ClipEncoder
from gesso.models.llava.convert import load_llava
from gesso.models.llava.model import LlavaChat
from gesso.models.moma.model import SubjectReader, SubjectWish, moma_prompt
from gesso.models.moma.modules import SubjectMapping
from gesso.models.moma.stage_file import write_mapping
from gesso.train.lora import adapt
from gesso.train.saving import save_chat
from gesso.train.subjects import subject_source

__all__ = ["FeatureBatch", "SubjectFeatureObjective", "load_language"]


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """What one step learns from: wishes, and the embeddings [B, E] of the pictures wished for."""

    wishes: tuple[Encoded, ...]
    targets: Tensor


class SubjectFeatureObjective:
    """The mapped state of a language model, drawn to the embedding of the picture."""

    def __init__(self, recipe: Recipe) -> None:
        self.source = subject_source(recipe.data)
        self.chat = load_language(recipe.model.language)
        if recipe.model.vision is None or not Path(recipe.model.vision).is_dir():
            raise ConfigError(f"model.vision {recipe.model.vision} is no folder; give that of a CLIP")
        self._clip = ClipEncoder.from_folder(recipe.model.vision)
        width = self.chat.module.config.get_text_config().hidden_size
        self.mapping = SubjectMapping(width, self._clip.model.visual_projection.out_features)
        self.reader = SubjectReader(self.chat, self.mapping)
        self._tuned = {name for name in self.chat.parts if recipe.tune.get(name, 0.0) > 0}
        idle = sorted(set(recipe.lora.parts) - self._tuned) if recipe.lora else []
        if idle:
            raise ConfigError(f"lora.parts names {', '.join(idle)}, which learn nothing without a rate; "
                              f"set tune.{idle[0]}, or leave them out")  # fmt: skip
        adapt(self.chat, recipe)
        for name in self.chat.parts.keys() - self._tuned:
            self.chat.parts[name].requires_grad_(False)
        if not self._tuned:
            self.chat.module.eval()
        self.module: nn.Module = nn.ModuleDict({"language": self.chat.module, "mapping": self.mapping})

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The mapping, and those of the LLaVA."""
        return {"mapping": self.mapping, **self.chat.parts}

    @property
    def examples(self) -> int:
        """Different examples."""
        return self.source.count

    def batch(self, examples: list[int], number: int) -> FeatureBatch:
        """Wishes, and what CLIP says of the pictures."""
        found = [self.source.example(index) for index in examples]
        asked = (SubjectWish(each.reference.on_white(), each.noun, each.prompt) for each in found)
        wishes = tuple(self.reader.encode(wish) for wish in asked)
        # a copy: what was made in inference mode cannot be learned from
        return FeatureBatch(wishes, self._clip.embed_images([each.target for each in found]).clone())

    def loss(self, batch: FeatureBatch) -> tuple[Tensor, dict[str, float]]:
        """One less the cosine, and how far the lengths are apart, so that scale is learned, too."""
        with torch.set_grad_enabled(bool(self._tuned)):
            states = torch.stack([found[-1] for found in self.reader.states(batch.wishes)])  # [B, H]
        embedded = self.mapping(states.to(self.mapping.gate_proj.weight)).float()
        targets = batch.targets.to(embedded)
        cosine = functional.cosine_similarity(embedded, targets)
        error = (embedded - targets).square().sum(dim=1)
        loss = (1 - cosine + 0.1 * error).mean()
        return loss, {"tokens": len(targets), "cosine": float(cosine.detach().mean())}

    def show(self, example: int) -> str:
        """What is asked."""
        found = self.source.example(example)
        asked = escape(moma_prompt(found.noun, found.prompt))
        return f"[dim]{asked}[/dim]\n[green]the embedding of the picture[/green]"

    def save(self, folder: Path) -> None:
        """The mapping, and the LLaVA if it learned."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._tuned:
            save_chat(self.chat, folder)
        write_mapping(folder, self.mapping)


def load_language(name: str | None) -> LlavaChat:
    """The LLaVA that a recipe names.

    Raises:
        ConfigError: there is none.
    """
    if name is None or not Path(name).is_dir():
        raise ConfigError(f"model.language {name} is no folder; give that of a LLaVA")
    return load_llava(name, dtype=torch.float32)
