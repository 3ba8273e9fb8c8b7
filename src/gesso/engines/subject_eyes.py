"""What looks at references: MoMA's language model, or IP-Adapter's picture encoder."""

import torch
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from gesso.media.subjects import Reference
from gesso.models.moma.model import SubjectReader, SubjectWish
from gesso.models.moma.modules import PictureProjection

__all__ = ["ClipEyes", "MomaEyes"]


class MomaEyes:
    """A multimodal language model, which reads the prompt beside the reference.

    Args:
        reader: the model with its mapping.
        projection: embeddings to picture tokens.
    """

    def __init__(self, reader: SubjectReader, projection: PictureProjection) -> None:
        self.reader = reader
        self.projection = projection

    @torch.no_grad()
    def tokens(self, reference: Reference, noun: str, prompt: str) -> Tensor:
        """Tokens [2, T, D]; those of the negative branch are of an embedding of zeros, and not zeros."""
        embedding = self.reader.embed([self.reader.encode(SubjectWish(reference.on_white(), noun, prompt))])
        both = torch.cat([torch.zeros_like(embedding), embedding]).to(self.projection.proj.weight)
        tokens: Tensor = self.projection(both)
        return tokens


class ClipEyes:
    """A CLIP picture encoder, as IP-Adapter has it; the prompt is not read.

    Args:
        encoder: gives the embedding.
        processor: pictures to its input.
        projection: embeddings to picture tokens.
    """

    def __init__(
        self,
        encoder: CLIPVisionModelWithProjection,
        processor: CLIPImageProcessorPil,
        projection: PictureProjection,
    ) -> None:
        self.encoder = encoder
        self.processor = processor
        self.projection = projection

    @torch.no_grad()
    def tokens(self, reference: Reference, noun: str, prompt: str) -> Tensor:
        """Tokens [2, T, D]; those of the negative branch are of an embedding of zeros."""
        pixels = self.processor(reference.on_white(), return_tensors="pt").pixel_values
        place = next(self.encoder.parameters())
        embedding = self.encoder(pixels.to(place)).image_embeds  # [1, E]
        both = torch.cat([torch.zeros_like(embedding), embedding]).to(self.projection.proj.weight)
        tokens: Tensor = self.projection(both)
        return tokens
