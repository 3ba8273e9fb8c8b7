"""Maps from the width of a vision tower to that of a language model.

The types and their key names are those of haotian-liu/LLaVA at c121f04,
`llava/model/multimodal_projector/builder.py`: "linear", "mlpNx_gelu" (N linear layers with an exact GELU
between each two) and "identity".
"""

import re
from itertools import pairwise

from torch import nn

from gesso.core.errors import UnsupportedError

__all__ = ["build_projector", "projector_depth"]


def projector_depth(kind: str) -> int:
    """How many linear layers a projector type has; 0 for "identity".

    Raises:
        UnsupportedError: there is no such type.
    """
    if kind == "identity":
        return 0
    if kind == "linear":
        return 1
    found = re.fullmatch(r"mlp([1-9]\d*)x_gelu", kind)
    if found is None:
        raise UnsupportedError(f"projector type {kind!r}; allowed: linear, mlpNx_gelu with N >= 1, identity")
    return int(found[1])


def build_projector(kind: str, width_in: int, width_out: int) -> nn.Module:
    """A projector [..., width_in] -> [..., width_out]; keys are the original's after `mm_projector.`.

    Args:
        kind: "linear", "mlpNx_gelu" or "identity".
        width_in: width of the vision features.
        width_out: width of the language model.

    Raises:
        UnsupportedError: there is no such type, or the identity joins two different widths.
    """
    depth = projector_depth(kind)
    if kind == "identity":
        if width_in != width_out:
            raise UnsupportedError(
                f"an identity projector cannot join widths {width_in} and {width_out}; "
                "they must be equal, or the type linear or mlpNx_gelu"
            )
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(width_in, width_out)
    widths = [width_in] + [width_out] * depth
    # an nn.Sequential numbers its layers 0, 2, 4, ... with the activations between them, as the keys demand
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])  # no activation after the last layer
