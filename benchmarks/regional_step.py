"""One denoising step with five regions, beside a plain step and the original's attention; one JSON line.

    python benchmarks/regional_step.py                       # SDXL's shape, a fifth as wide, on the CPU
    python benchmarks/regional_step.py --device cuda --full  # SDXL's own size

All three run both guidance branches on the same UNet with random weights, in turns, and the fastest of each
counts: gesso's step (one batch, cached text keys and values, 1 + 4 regions of two windows), diffusers' plain
step (one batch, one window), and the original's way (a UNet call for each branch, masks and keys made anew in
each layer, softmax written out; formula of lllyasviel/Omost at 731e749, `lib_omost/pipeline.py`).
"difference" is how far the predictions of the first and the last lie apart at most, as a share of the largest
value.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from report import setting
from torch import Tensor
from torch.nn import functional

from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.guidance import strategy
from gesso.diffusion.guides import Prediction, Step
from gesso.diffusion.noise import NoiseModel

WINDOW = 77
SIZES = 6
"""Numbers beside the text that tell SDXL the picture's size."""
BOXES = ((5, 65, 0, 50), (0, 50, 40, 90), (40, 90, 10, 70), (20, 80, 50, 90))
"""Rows and columns (from, to) of the local regions, of the sizes a planner asks for."""


class LiteralProcessor:
    """The original's attention step as its formula reads."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        regions: Sequence[tuple[Tensor, Tensor]] = (),
        shape: tuple[int, int] = (1, 1),
    ) -> Tensor:
        source = hidden_states if encoder_hidden_states is None else torch.cat([s for _, s in regions], dim=1)
        query, keys, values = (
            layer(states).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for layer, states in ((attn.to_q, hidden_states), (attn.to_k, source), (attn.to_v, source))
        )
        if encoder_hidden_states is None:
            read = functional.scaled_dot_product_attention(query, keys, values)
        else:
            read = literal_attention(attn, (query, keys, values), regions, level(query.shape[2], shape))
        return attn.to_out[1](attn.to_out[0](read.transpose(1, 2).flatten(2)))


def level(positions: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a feature map; the original hands them down, here the latent is halved."""
    height, width = shape
    while height * width > positions:
        height, width = height // 2, width // 2
    return height, width


def literal_attention(
    attn: Attention,
    projected: tuple[Tensor, Tensor, Tensor],
    regions: Sequence[tuple[Tensor, Tensor]],
    shape: tuple[int, int],
) -> Tensor:
    query, keys, values = projected
    masks, scales = [], []
    for mask, states in regions:
        fitted = functional.interpolate(mask[None, None], shape, mode="nearest-exact").flatten()
        masks.append(fitted[:, None].expand(-1, states.shape[1]))
        scales.append((fitted.numel() / fitted.sum()).expand(states.shape[1]))
    seen, scale = torch.cat(masks, dim=1) > 0.5, torch.cat(scales)
    scores = query @ keys.transpose(2, 3) * attn.scale * scale.to(query)
    scores = scores.masked_fill(~seen, float("-inf"))
    return scores.softmax(dim=-1) @ values


def build(options: argparse.Namespace) -> UNet2DConditionModel:
    heads = [5, 10, 20] if options.full else [1, 2, 4]
    depths, text, pooled = ([1, 1, 1], 64, 80) if options.tiny else ([1, 2, 10], 2048, 1280)
    torch.manual_seed(0)
    with torch.device(options.device):
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=tuple(64 * count for count in heads),
            attention_head_dim=heads,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=depths,
            cross_attention_dim=text,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=pooled + SIZES * 256,
        )
    return unet.to(getattr(torch, options.dtype)).eval().requires_grad_(False)


class Contest:
    """The three ways on one UNet, each as a call without arguments."""

    def __init__(self, unet: UNet2DConditionModel, latent: int) -> None:
        self.unet, self.latent = unet, latent
        place = {"device": unet.device, "dtype": unet.dtype}
        torch.manual_seed(1)
        self.latents = torch.randn(1, 4, latent, latent, **place)
        width = unet.config.cross_attention_dim
        beside = unet.config.projection_class_embeddings_input_dim
        self.pooled = torch.randn(1, beside - SIZES * unet.config.addition_time_embed_dim, **place)
        self.timestep = torch.tensor(500, device=unet.device)
        masks = [torch.ones(90, 90)] + [box_mask(box) for box in BOXES]
        self.texts = [
            TextRegion(
                mask.to(unet.device),
                torch.randn(1, 2 * WINDOW, width, **place),
                torch.ones(2 * WINDOW, dtype=torch.bool, device=unet.device),
                self.pooled,
            )
            for mask in masks
        ]
        whole = torch.ones(90, 90, device=unet.device)
        first = self.texts[0]
        self.negative = TextRegion(whole, first.states[:, :WINDOW], first.words[:WINDOW], self.pooled)

    def regional(self) -> Callable[[], Prediction]:
        install_processor(self.unet)
        model = NoiseModel(self.unet, (8 * self.latent, 8 * self.latent), self.unet.dtype)
        guide = strategy("attention-scores").guide(model, PromptText(tuple(self.texts), self.negative), 1)
        return lambda: guide.predict(self.latents, Step(0, 1, self.timestep))

    def plain(self) -> Callable[[], object]:
        self.unet.set_attn_processor(AttnProcessor2_0())
        return lambda: self._unet(2, self.negative.states.expand(2, -1, -1))

    def literal(self) -> Callable[[], list[Any]]:
        self.unet.set_attn_processor(LiteralProcessor())
        both = [
            {"regions": [(text.mask, text.states) for text in texts], "shape": (self.latent, self.latent)}
            for texts in ([self.negative], self.texts)
        ]
        return lambda: [self._unet(1, self.negative.states, cross_attention_kwargs=way) for way in both]

    def _unet(self, rows: int, states: Tensor, **more: object) -> Any:
        side = 8.0 * self.latent
        sizes = torch.tensor([[side, side, 0, 0, side, side]] * rows, device=self.unet.device)
        added = {"text_embeds": self.pooled.expand(rows, -1), "time_ids": sizes}
        latents = self.latents.expand(rows, -1, -1, -1)
        return self.unet(latents, self.timestep, states, added_cond_kwargs=added, **more)


def box_mask(box: tuple[int, int, int, int]) -> Tensor:
    mask = torch.zeros(90, 90)
    mask[box[0] : box[1], box[2] : box[3]] = 1
    return mask


def seconds(call: Callable[[], object], device: str) -> float:
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def best_times(contest: Contest, options: argparse.Namespace) -> dict[str, float]:
    times: dict[str, list[float]] = {"regional": [], "plain": [], "literal": []}
    calls = {}
    for _ in range(options.rounds):
        for name, kept in times.items():
            fresh = getattr(contest, name)()  # sets the processors
            call = calls.setdefault(name, fresh)  # keeps gesso's cache of keys and values, as a picture does
            seconds(call, options.device)
            kept.append(seconds(call, options.device))
    return {name: min(kept) for name, kept in times.items()}


def difference(contest: Contest) -> float:
    """How far gesso's predictions lie from those of the original's formula."""
    ours = torch.cat(list(reversed(contest.regional()())))  # negative, positive
    theirs = torch.cat([output.sample for output in contest.literal()()]).float()
    return float((ours - theirs).abs().max() / theirs.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--full", action="store_true", help="SDXL's own widths, 2.6e9 weights")
    parser.add_argument("--tiny", action="store_true", help="hardly a model, only to see that it works")
    parser.add_argument("--latent", type=int, default=64, help="side of the latent, an eighth of a picture's")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with torch.inference_mode():
        contest = Contest(build(options), options.latent)
        apart, times = difference(contest), best_times(contest, options)
    ratios = {f"regional/{name}": times["regional"] / times[name] for name in ("plain", "literal")}
    shown = {name: round(value, 4) for name, value in (times | ratios).items()}
    shown["difference"] = float(f"{apart:.1e}")
    place = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(json.dumps({"benchmark": "regional_step", **shown, **vars(options), "place": place, **setting()}))


if __name__ == "__main__":
    main()
