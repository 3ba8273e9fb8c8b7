"""The weights by which a painting UNet looks at a subject: MoMA's, and IP-Adapter's, which are half of them.

MoMA (arXiv 2404.05674, sections 3.2 and 3.3; bytedance/MoMA at 1748535) gives each cross-attention layer
keys and values of its own for picture tokens, as IP-Adapter does (arXiv 2308.06721), and each self-attention
layer a second projection of the frozen keys and values, for features of the reference picture.

Both number the layers by their place among the UNet's attention processors, self-attention even,
cross-attention odd. Letters: C channels of a feature map, D width of the text states.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Self

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.attention import split_heads
from gesso.diffusion.files import some

__all__ = ["PictureKeys", "ReferenceKeys", "SubjectAdapter", "attention_layers"]

PROCESSOR: Final = ".processor"
"""Ending of the names under which diffusers lists attention layers."""

START_SCALE: Final = 0.1
"""How much of the reference a new adapter lets through; 0 would keep its projections from learning."""


class PictureKeys(nn.Module):
    """Keys and values of picture tokens in a cross-attention layer.

    Args:
        attn: the frozen layer, from whose projections a new one starts, as IP-Adapter's training does.
    """

    def __init__(self, attn: Attention) -> None:
        super().__init__()
        self.to_k_ip = _copied(attn.to_k)
        self.to_v_ip = _copied(attn.to_v)

    def forward(self, attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [N, H, T, d] of tokens [N, T, D]."""
        return split_heads(self.to_k_ip(tokens), attn), split_heads(self.to_v_ip(tokens), attn)


class ReferenceKeys(nn.Module):
    """A second projection of a self-attention layer's own keys and values, and how much it counts.

    Args:
        attn: the frozen layer; a new one starts as the identity, at a small scale.
    """

    def __init__(self, attn: Attention) -> None:
        super().__init__()
        width: int = attn.to_k.out_features
        place = attn.to_k.weight.device
        self.to_k_ip = nn.Linear(width, width, bias=False, device=place)
        self.to_v_ip = nn.Linear(width, width, bias=False, device=place)
        if place.type != "meta":
            nn.init.eye_(self.to_k_ip.weight)
            nn.init.eye_(self.to_v_ip.weight)
        self.scale_learnable = nn.Parameter(torch.full((1,), START_SCALE, device=place))

    def forward(self, attn: Attention, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [N, H, P, d] of the reference, from the layer's own."""
        # [N, H, P, d] -> [N, P, H*d] and back: the projection mixes heads
        joined = (each.transpose(1, 2).flatten(2) for each in (keys, values))
        projected = zip((self.to_k_ip, self.to_v_ip), joined, strict=True)
        made = [split_heads(layer(each), attn) for layer, each in projected]
        return made[0], made[1]


class SubjectAdapter(nn.Module):
    """An adapter to one UNet, whose layers are left as they are.

    Args:
        unet: of the SD 1.5 or SDXL kind.
        references: whether there are layers for self-attention, as in MoMA; IP-Adapter has none.
    """

    def __init__(self, unet: UNet2DConditionModel, *, references: bool = True) -> None:
        super().__init__()
        found = attention_layers(unet)
        self.names = tuple(found)
        self.layers = nn.ModuleDict()
        # a plain dictionary: the UNet's layers must not become parts of this module
        self._of: dict[Attention, nn.Module] = {}
        for number, attn in enumerate(found.values()):
            if number % 2 or references:
                layer = PictureKeys(attn) if number % 2 else ReferenceKeys(attn)
                self.layers[str(number)] = layer
                self._of[attn] = layer

    @classmethod
    def of_tensors(cls, unet: UNet2DConditionModel, tensors: Mapping[str, Tensor]) -> Self:
        """An adapter with published weights, in the UNet's precision.

        Args:
            unet: the UNet it was trained for, or one of the same shape.
            tensors: "<layer's number>.to_k_ip.weight" and so on; any floating type.

        Raises:
            CheckpointError: a weight is missing, left over or of another shape; names them.
        """
        references = any(key.endswith(".scale_learnable") for key in tensors)
        adapter = cls(unet, references=references)
        wanted = {key.removeprefix("layers."): tensor for key, tensor in adapter.state_dict().items()}
        _require_fit(tensors, wanted)
        adapter.load_state_dict({f"layers.{key}": tensor for key, tensor in tensors.items()})
        for attn, layer in adapter._of.items():
            layer.to(attn.to_q.weight)
        return adapter.requires_grad_(False).eval()

    def tensors(self) -> dict[str, Tensor]:
        """The weights under their published names."""
        return {key.removeprefix("layers."): tensor for key, tensor in self.state_dict().items()}

    @property
    def stack(self) -> nn.ModuleList:
        """The layers as a list, by which Muon knows the matrices it may move."""
        return nn.ModuleList(self.layers.values())

    @property
    def references(self) -> bool:
        """Whether it reads a reference picture in self-attention."""
        return "0" in self.layers

    def pictures(self, attn: Attention) -> PictureKeys:
        """The weights for picture tokens of a cross-attention layer.

        Raises:
            UnsupportedError: the layer is not of the UNet that the adapter was made for.
        """
        found = self._of.get(attn)
        if not isinstance(found, PictureKeys):
            raise UnsupportedError("the adapter was made for another UNet; make one for this UNet")
        return found

    def reference(self, attn: Attention) -> ReferenceKeys | None:
        """The weights for a reference in a self-attention layer; None where the adapter has none."""
        found = self._of.get(attn)
        return found if isinstance(found, ReferenceKeys) else None


def attention_layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """Attention layers by name, in the order in which adapters number them: down, up, middle.

    Raises:
        UnsupportedError: self-attention and cross-attention do not take turns.
    """
    # diffusers' own list, whose order published files count by
    names = [name.removesuffix(PROCESSOR) for name in unet.attn_processors]
    for number, name in enumerate(names):
        if not name.endswith(".attn2" if number % 2 else ".attn1"):
            raise UnsupportedError(
                f"attention layer {number} is {name}; in UNets that adapters are for, self-attention and "
                "cross-attention take turns"
            )
    return {name: unet.get_submodule(name) for name in names}


def _copied(linear: nn.Linear) -> nn.Linear:
    weight = linear.weight
    made = nn.Linear(linear.in_features, linear.out_features, bias=False, device=weight.device)
    if weight.device.type != "meta":
        with torch.no_grad():
            made.weight.copy_(weight)
    return made


def _require_fit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    problems = list(_problems(found, wanted))
    if problems:
        raise CheckpointError(
            f"the adapter does not fit the UNet: {'; '.join(problems)}; use it with the kind of Stable "
            "Diffusion it was trained on"
        )


def _problems(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    differing = [
        f"{key} ({list(found[key].shape)} in the file, {list(wanted[key].shape)} in the UNet)"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    for what, keys in (
        ("missing", sorted(set(wanted) - set(found))),
        ("left over", sorted(set(found) - set(wanted))),
        ("of another shape", differing),
    ):
        if keys:
            yield f"{what}: {some(keys)}"
