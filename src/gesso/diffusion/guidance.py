"""The strategies of region guidance, by name; docs/region_guidance.md tells when to use which."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gesso.core.errors import UnknownNameError
from gesso.diffusion.guide_attention import AttentionDecomposition, AttentionScores, JoinedText
from gesso.diffusion.guide_gradient import BoxGradient
from gesso.diffusion.guide_multi import MultiDiffusion
from gesso.diffusion.guides import RegionGuidance

__all__ = ["STRATEGIES", "strategy"]

STRATEGIES: Final[Mapping[str, RegionGuidance]] = MappingProxyType(
    {
        "attention-decomposition": AttentionDecomposition(),
        "attention-scores": AttentionScores(),
        "gradient": BoxGradient(),
        "multidiffusion": MultiDiffusion(),
        "none": JoinedText(),
    }
)
"""Name -> the strategy with its usual settings."""


def strategy(guidance: str | RegionGuidance) -> RegionGuidance:
    """A strategy by name; one that is made already is given back.

    Raises:
        UnknownNameError: there is no such strategy; the message lists those there are.
    """
    if not isinstance(guidance, str):
        return guidance
    if guidance not in STRATEGIES:
        raise UnknownNameError("region guidance", guidance, STRATEGIES)
    return STRATEGIES[guidance]
