"""What the planner asks of those who write replies: a language model in memory, or a server."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gesso.core.messages import Message
from gesso.core.results import FinishReason
from gesso.core.sampling import Sampling

__all__ = ["PlanStats", "Writer", "Writing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStats:
    """What making a reply took.

    Attributes:
        prompt_tokens: tokens of what the model was told.
        tokens: tokens of the reply; decoding them one by one takes a pass of the model for each.
        passes: passes of the model that were made; None where a server made them and does not tell.
        forced: tokens that a grammar left no choice about.
        drafted: tokens that were proposed and read ahead.
        accepted: those of them that came true.
    """

    prompt_tokens: int = 0
    tokens: int = 0
    passes: int | None = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0

    def __add__(self, other: "PlanStats") -> "PlanStats":
        """Both together."""
        unknown = self.passes is None or other.passes is None
        return PlanStats(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            tokens=self.tokens + other.tokens,
            passes=None if unknown else (self.passes or 0) + (other.passes or 0),
            forced=self.forced + other.forced,
            drafted=self.drafted + other.drafted,
            accepted=self.accepted + other.accepted,
        )

    @property
    def share(self) -> float | None:
        """Passes made, as a share of those that decoding one by one makes; None if unknown."""
        return self.passes / self.tokens if self.passes is not None and self.tokens else None


class Writing(Iterator[str], Protocol):
    """A reply as it is being written: iterate for its text in pieces; its figures grow with it."""

    @property
    def finish_reason(self) -> FinishReason:
        """Why it ended; "cancelled" as long as it has not."""
        ...

    @property
    def stats(self) -> PlanStats:
        """What it took so far."""
        ...

    def close(self) -> None:
        """End it here."""
        ...


class Writer(Protocol):
    """A language model that can be asked for a reply."""

    @property
    def context(self) -> int | None:
        """How many tokens prompt and reply may take together; None if unknown."""
        ...

    def count(self, messages: Sequence[Message]) -> int:
        """How many tokens the prompt for these messages takes; an estimate where only a server knows."""
        ...

    def write(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> Writing:
        """Reply to a conversation.

        Args:
            messages: the conversation; the last message is the user's.
            sampling: how to choose tokens and when to stop.
            cancelled: asked as the reply grows; True ends it.
        """
        ...
