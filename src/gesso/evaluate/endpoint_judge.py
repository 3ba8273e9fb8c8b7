"""A language model behind an OpenAI-compatible server that judges answers."""

import os
from typing import Final

from gesso.core.errors import UsageError
from gesso.core.messages import user
from gesso.core.sampling import Sampling
from gesso.engines.plan_remote import RemoteWriter

__all__ = ["API_KEY", "EndpointJudge"]

API_KEY: Final = "GESSO_API_KEY"
"""Environment variable with the server's key, as for planners behind a server."""

TOKENS: Final = 256


class EndpointJudge:
    """A judge, asked one question at a time and greedily.

    Args:
        url: address of the API, such as "http://127.0.0.1:8000/v1".
        model: the model's name there.

    Raises:
        UsageError: the address is no http(s) URL.
    """

    def __init__(self, url: str, model: str) -> None:
        self._writer = RemoteWriter(url, model, api_key=os.environ.get(API_KEY))

    @classmethod
    def given(cls, url: str | None, model: str | None) -> "EndpointJudge | None":
        """The judge of two options, None where neither is given.

        Raises:
            UsageError: one is given without the other.
        """
        if (url is None) != (model is None):
            raise UsageError(
                "a judge is named by --judge-url and --judge-model together; give both or neither"
            )
        return None if url is None or model is None else cls(url, model)

    def ask(self, question: str) -> str:
        """The judge's reply.

        Raises:
            EndpointError: the server cannot be reached, refuses, or breaks off.
        """
        return "".join(self._writer.write([user(question)], Sampling(max_new_tokens=TOKENS))).strip()
