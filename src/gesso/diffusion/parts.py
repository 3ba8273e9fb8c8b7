"""The parts of a model that paints, checked to belong together and laid out on their device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel

from gesso.core.errors import UnsupportedError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.encode import PromptEncoder
from gesso.diffusion.memory import MemoryPlan, Residence, cast
from gesso.diffusion.noise import uses_pooled

__all__ = ["PaintModel", "settle"]


@dataclass(frozen=True, slots=True, eq=False)
class PaintModel:
    """The parts of a model that paints.

    Attributes:
        unet: for latents alone; inpainting UNets with more channels are not served.
        vae: pixels to latents and back.
        text: tokenizers and text encoders.
        scheduler: the checkpoint's own scheduler config, which tells how the UNet was trained.

    Raises:
        UnsupportedError: the parts do not belong together, or the UNet wants more than latents.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: PromptEncoder
    scheduler: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        channels, latent = self.unet.config["in_channels"], self.vae.config["latent_channels"]
        if channels != latent:
            raise UnsupportedError(
                f"the UNet takes {channels} channels and the VAE's latents have {latent}; inpainting models "
                "are not served, use a text-to-image checkpoint (it can inpaint too)"
            )
        if uses_pooled(self.unet) != (len(self.text.encoders) == 2):
            raise UnsupportedError(
                f"{len(self.text.encoders)} text encoders came with a UNet of the "
                f"{'SDXL' if uses_pooled(self.unet) else 'SD 1.5'} kind; SDXL has two, SD 1.5 has one"
            )

    def parameters(self) -> dict[str, int]:
        """Name of each part -> how many numbers it has."""
        parts = {"unet": self.unet, "vae": self.vae}
        parts |= {f"text_encoder_{n}": encoder for n, encoder in enumerate(self.text.encoders, start=1)}
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def settle(model: PaintModel, plan: MemoryPlan, residence: Residence) -> None:
    """Cast and place the parts once; none of them learns anything here, so no gradients are kept."""
    install_processor(model.unet)
    others = {"vae": model.vae} | {f"text_{n}": e for n, e in enumerate(model.text.encoders)}
    for part in (model.unet, *others.values()):
        part.requires_grad_(False).eval()
        cast(part, plan.precision.vae if part is model.vae else plan.precision.model)
    if plan.vae_tiling:
        model.vae.enable_tiling()
    residence.settle(model.unet, others)
