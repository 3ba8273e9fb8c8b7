"""Planners behind a server, made without loading anything (no torch)."""

from typing import Final

from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_remote import RemoteWriter
from gesso.models.omost.prompts import GENERAL_PROMPT

__all__ = ["GENERAL_SETTINGS", "endpoint_planner"]

GENERAL_SETTINGS: Final = PlanSettings(system=GENERAL_PROMPT)
"""How language models are asked that were not trained on canvases."""


def endpoint_planner(
    base_url: str,
    model: str,
    *,
    api_key: str | None = None,
    timeout: float = 60.0,
    context: int | None = None,
) -> Planner:
    """A planner behind an OpenAI-compatible server.

    One of Omost's models, by its name, is told what Omost told it; any other is told at length what to write.

    Args:
        base_url: address of the API, such as "http://127.0.0.1:8000/v1".
        model: the model's name there.
        api_key: sent as a bearer token, if given.
        timeout: seconds to wait for a connection, and for each next piece of a reply.
        context: tokens that prompt and reply may take together, if known.

    Raises:
        UsageError: the address is no http(s) URL, or the timeout is not above 0.
    """
    writer = RemoteWriter(base_url, model, api_key=api_key, timeout=timeout, context=context)
    return Planner(writer, PlanSettings() if "omost" in model.lower() else GENERAL_SETTINGS)
