"""Painting: texts with regions to pictures, in stages that each do one thing (needs the extra `paint`).

encode -> latents -> denoise, which asks a guide (guidance) at each step of a schedule -> decode; `pipeline`
joins them. Whatever belongs to one picture lives in objects of that call, so threads may share one model.
"""

from importlib.util import find_spec

from gesso.core.errors import MissingExtraError

if find_spec("diffusers") is None:
    raise MissingExtraError("diffusers", "paint")
