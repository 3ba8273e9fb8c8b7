"""What a request gives back."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Answer", "FinishReason", "Usage"]

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; image positions count as prompt tokens."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer.

    Attributes:
        text: the answer, without stop text and special tokens.
        finish_reason: "stop" (end token or stop text), "length" (token limit) or "cancelled".
        usage: token counts.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
