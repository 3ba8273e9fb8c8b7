"""Box guidance by gradients: the latent is moved until the words of each region look into its box.

Source: BoxDiff (arXiv 2307.10816), inner-box and outer-box constraints (eq. 4 and 5 there); its corner
constraint is left out. The attention that is looked at is each region's share of all words' attention, on
the feature map whose side is nearest to 16, averaged over heads and layers.

Letters: B pictures, P positions, L tokens, H heads, d channels of a head.
"""

from dataclasses import dataclass, field

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.diffusion.conditions import SHOWN, PromptText
from gesso.diffusion.guide_attention import AttentionGuide, everywhere
from gesso.diffusion.guides import Prediction, Step
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading, fit_mask

__all__ = ["BoxGradient", "box_loss"]

SIDE = 16
"""Side of the feature map that BoxDiff looks at."""

TINY = 1e-6


@dataclass(frozen=True, slots=True)
class BoxGradient:
    """In the first steps, the gradient of an attention-in-box loss moves the latent; no masks in attention.

    Attributes:
        step_size: how far the latent goes along the gradient at the first step; falls to half of it.
        until: share of the steps after which the latent is left alone.
        top: share of a box's cells that must be looked at, P of the paper.
        keep: keep text keys and values over the steps.

    Raises:
        UsageError: a value lies outside its range.
    """

    step_size: float = 20.0
    until: float = 0.5
    top: float = 0.2
    keep: bool = True

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name, holds, allowed in (
            ("step_size", self.step_size > 0, "> 0"),
            ("until", 0 < self.until <= 1, "in (0, 1]"),
            ("top", 0 < self.top <= 1, "in (0, 1]"),
        ):
            if not holds:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {allowed}")

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> "_GradientGuide":
        """See `RegionGuidance.guide`."""
        reading = ScoreReading(everywhere(text.regions), batch, keep=self.keep)
        plain = AttentionGuide(noise, reading, text, keep=self.keep)
        return _GradientGuide(self, noise, text, reading, plain)


@dataclass(frozen=True, slots=True, eq=False)
class _GradientGuide:
    settings: BoxGradient
    noise: NoiseModel
    text: PromptText
    reading: ScoreReading
    plain: AttentionGuide

    def predict(self, latents: Tensor, step: Step) -> Prediction:
        return self.plain.predict(latents, step)

    def refine(self, latents: Tensor, step: Step) -> Tensor:
        done = step.number / (self.settings.until * step.total)
        if done >= 1 or len(self.text.regions) == 1:
            return latents
        scaled = step.scale_input(latents)
        slope = self._slope(scaled, step.timestep)
        moved = scaled - self.settings.step_size * (1 - done / 2) * slope
        # the loop's latents are the scaled ones times one number
        return moved / step.scale_input(torch.ones_like(latents[:1, :1, :1, :1]))

    def loss(self, scaled: Tensor, timestep: Tensor) -> Tensor:
        """How little the words look into their boxes, for latents [B, C, h, w] as the UNet wants them."""
        shape = _map_shape(self.noise.unet, (scaled.shape[2], scaled.shape[3]))
        watch = _Watch(self.reading, _word_groups(self.text), shape)
        pooled = self.text.regions[0].pooled
        self.noise(scaled, timestep, [watch], None if pooled is None else pooled.expand(len(scaled), -1))
        masks = torch.stack([fit_mask(region.mask, shape).flatten() for region in self.text.regions])
        return box_loss(torch.stack(watch.maps).mean(dim=0), masks, self.settings.top)

    def _slope(self, scaled: Tensor, timestep: Tensor) -> Tensor:
        with torch.enable_grad():
            free = scaled.detach().requires_grad_()
            return torch.autograd.grad(self.loss(free, timestep), free)[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Watch:
    """A reading that notes how much of the attention goes to each region's words.

    groups: [L, regions], 1 where a token is a word of a region.
    maps: one [B, P, regions] for each layer seen.
    """

    reading: ScoreReading
    groups: Tensor
    shape: tuple[int, int]
    maps: list[Tensor] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.reading.rows

    @property
    def preview(self) -> Tensor:
        return self.reading.preview

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        if shape != self.shape:
            return self.reading.attend(attn, query, shape)
        keys, values = self.reading.keys_values(attn, shape)
        shares = (query @ keys.transpose(2, 3) * attn.scale).float().softmax(dim=-1)  # [B, H, P, L]
        self.maps.append(shares.mean(dim=1) @ self.groups)
        read: Tensor = shares.to(values) @ values
        return read


def box_loss(attention: Tensor, masks: Tensor, top: float) -> Tensor:
    """How little the words of the local regions look into their boxes, summed over regions and pictures.

    Args:
        attention: [B, P, regions], attention that goes to each region's words.
        masks: [regions, P]; the first belongs to the whole canvas and costs nothing.
        top: share of a box's cells that must be looked at.
    """
    shares = attention / (attention.sum(dim=2, keepdim=True) + TINY)  # [B, P, regions]
    losses = []
    for number, mask in enumerate(masks[1:], start=1):
        inside = mask > SHOWN
        if not bool(inside.any()) or bool(inside.all()):
            continue  # no place at this size, or no outside to keep away from
        share = shares[:, :, number]  # [B, P]
        losses.append(1 - _highest(share[:, inside], top) + _highest(share[:, ~inside], top))
    return torch.stack(losses).sum() if losses else attention.sum() * 0


def _highest(values: Tensor, top: float) -> Tensor:
    """Mean of the highest of [B, cells], for each row."""
    count = max(1, round(top * values.shape[1]))
    return values.topk(count, dim=1).values.mean(dim=1)


def _word_groups(text: PromptText) -> Tensor:
    columns = [region.words.float() for region in text.regions]
    groups: Tensor = torch.block_diag(*[column[:, None] for column in columns])  # [L, regions]
    return groups


def _map_shape(unet: UNet2DConditionModel, latent: tuple[int, int]) -> tuple[int, int]:
    """Of the feature maps that read text, the one whose side is nearest to SIDE."""
    height, width = latent
    shapes = []
    for kind in unet.config["down_block_types"]:
        if "CrossAttn" in kind:
            shapes.append((height, width))
        height, width = -(-height // 2), -(-width // 2)
    return min(shapes, key=lambda shape: abs((shape[0] * shape[1]) ** 0.5 - SIDE))
