"""What looks at references: MoMA's language model, or IP-Adapter's picture encoder."""

import torch
from torch import Tensor

from gesso.diffusion.memory import MemoryPlan, Residence
from gesso.media.subjects import Reference
from gesso.models.clip import PictureEncoder
from gesso.models.moma.model import SubjectReader, SubjectWish
from gesso.models.moma.modules import PictureProjection

__all__ = ["ClipEyes", "MomaEyes"]


class MomaEyes:
    """A multimodal language model, which reads the prompt beside the reference.

    Args:
        reader: the model with its mapping.
        projection: embeddings to picture tokens.
        residence: brings both to their device; None leaves them where they are.
    """

    def __init__(
        self, reader: SubjectReader, projection: PictureProjection, residence: Residence | None = None
    ) -> None:
        self.reader = reader
        self.projection = projection
        self._residence = residence or Residence(MemoryPlan(), "cpu")

    @torch.no_grad()
    def tokens(self, reference: Reference, noun: str, prompt: str) -> Tensor:
        """Tokens [2, T, D]; those of the negative branch are of an embedding of zeros, and not zeros."""
        asked = self.reader.encode(SubjectWish(reference.on_white(), noun, prompt))
        parts = (self.reader.chat.module, self.reader.mapping, self.projection)
        with self._residence.turn(), self._residence.using(*parts):
            embedding = self.reader.embed([asked])
            both = torch.cat([torch.zeros_like(embedding), embedding]).to(self.projection.proj.weight)
            tokens: Tensor = self.projection(both)
        return tokens


class ClipEyes:
    """A CLIP picture encoder, as IP-Adapter has it; the prompt is not read.

    Args:
        encoder: gives the embedding.
        projection: embeddings to picture tokens.
    """

    def __init__(self, encoder: PictureEncoder, projection: PictureProjection) -> None:
        self.encoder = encoder
        self.projection = projection

    @torch.no_grad()
    def tokens(self, reference: Reference, noun: str, prompt: str) -> Tensor:
        """Tokens [2, T, D]; those of the negative branch are of an embedding of zeros."""
        embedding = self.encoder.embed(self.encoder.pixels([reference.on_white()]))  # [1, E]
        both = torch.cat([torch.zeros_like(embedding), embedding]).to(self.projection.proj.weight)
        tokens: Tensor = self.projection(both)
        return tokens
