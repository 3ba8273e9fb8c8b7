"""The UNet as the steps of a picture call it: latents and texts in, predictions out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.diffusion.attention import SelfReader, TextAttention, TextCall

__all__ = ["NoiseModel", "uses_pooled"]


def uses_pooled(unet: UNet2DConditionModel) -> bool:
    """Whether a UNet wants pooled text states and picture sizes beside the text (SDXL), or not (SD 1.5)."""
    return bool(unet.config["addition_embed_type"] == "text_time")


@dataclass(frozen=True, slots=True, eq=False)
class NoiseModel:
    """A UNet for pictures of one size.

    Attributes:
        unet: the model, under `gesso.diffusion.attention.install_processor`.
        size: (width, height) of the picture, in pixels.
        dtype: what the UNet computes in.
    """

    unet: UNet2DConditionModel
    size: tuple[int, int]
    dtype: torch.dtype

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        texts: Sequence[TextAttention],
        pooled: Tensor | None = None,
        memory: SelfReader | None = None,
    ) -> Tensor:
        """The UNet's prediction for a batch.

        Args:
            latents: [N, C, h, w], scaled as the scheduler wants it.
            timestep: a scalar, or [N].
            texts: what each part of the batch reads.
            pooled: [N, W] for SDXL; None for SD 1.5.
            memory: what self-attention reads beside the picture itself, if anything.

        Returns:
            [N, C, h, w] in float32.

        Raises:
            UsageError: the model needs pooled states and none came, or the other way round.
        """
        if uses_pooled(self.unet) != (pooled is not None):
            raise UsageError(
                "this UNet and these texts do not belong together: "
                "SDXL needs pooled text states, SD 1.5 has none"
            )
        length = min(text.preview.shape[1] for text in texts)
        states = torch.cat([text.preview[:, :length] for text in texts])
        shape = (latents.shape[2], latents.shape[3])
        predicted: Tensor = self.unet(
            latents.to(self.dtype),
            timestep,
            encoder_hidden_states=states,
            added_cond_kwargs=None if pooled is None else self.added(pooled),
            cross_attention_kwargs={"text": TextCall(shape, texts, memory)},
            return_dict=False,
        )[0]
        return predicted.float()

    def added(self, pooled: Tensor) -> dict[str, Tensor]:
        """SDXL's conditions: pooled states [N, W], and sizes (original, crop corner, target)."""
        width, height = self.size
        # kept in float32: bfloat16 cannot tell 1024 from 1025
        sizes = torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32, device=pooled.device)
        return {"text_embeds": pooled.to(self.dtype), "time_ids": sizes.expand(len(pooled), -1)}  # [N, 6]
