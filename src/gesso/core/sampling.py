"""How the next token is chosen, and when to stop."""

from dataclasses import dataclass

from gesso.core.errors import UsageError

__all__ = ["Sampling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Settings of one request; checked on construction.

    Attributes:
        temperature: 0 is greedy; above, logits are divided by it.
        top_p: keep the smallest set of tokens whose probability reaches this, in (0, 1].
        top_k: keep this many likeliest tokens; 0 keeps all.
        max_new_tokens: at most this many tokens are generated.
        stop: texts at which generation ends; they are not part of the answer.
        seed: makes sampling repeatable; None draws a fresh one.
        repetition_penalty: above 1 makes tokens that already occurred less likely (CTRL, arXiv 1909.05858).
        num_beams: width of beam search; 1 is none.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the range."""
        for name, holds, allowed in (
            ("temperature", self.temperature >= 0, ">= 0"),
            ("top_p", 0 < self.top_p <= 1, "in (0, 1]"),
            ("top_k", self.top_k >= 0, ">= 0 (0 keeps all)"),
            ("max_new_tokens", self.max_new_tokens >= 1, ">= 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "> 0 (1 is none)"),
            ("num_beams", self.num_beams >= 1, ">= 1"),
        ):
            if not holds:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {allowed}")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop):
            raise UsageError(f"stop is {self.stop!r}; it must be a tuple of non-empty strings")
        if self.num_beams > 1 and self.temperature > 0:
            raise UsageError(f"num_beams {self.num_beams} with temperature {self.temperature}; "
                             "beam search is greedy, set temperature to 0")  # fmt: skip

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature == 0
