"""Shared by the planner's tests: models that say what they are told, canvases, writers of fixed replies."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import chat_templates
from gesso.canvas.canvas import Canvas
from gesso.canvas.grammar import Layout, program_in
from gesso.canvas.parts import GlobalDescription, Region
from gesso.core.messages import Message
from gesso.core.results import FinishReason
from gesso.core.sampling import Sampling
from gesso.engines.plan_writers import PlanStats
from gesso.models.base import Encoded

TOKENIZER = chat_templates.tokenizer("phi3")
SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def canvas(*things: str, place: str = "in the sea") -> Canvas:
    """A canvas with a region for each "colour kind"."""
    places = ("on the left", "on the right", "on the top", "on the bottom")
    regions = [
        Region(
            location=where,
            offset="no offset",
            area="a small square area",
            distance_to_viewer=2.5,
            description=f"a {thing}",
            detailed_descriptions=(),
            tags=thing.split()[1],
            atmosphere="calm",
            style="storybook",
            quality_meta="clean",
            colour=thing.split()[0],
        )
        for where, thing in zip(places, things, strict=False)
    ]
    return Canvas(GlobalDescription(place, (), "storybook", "navy"), tuple(regions))


def program(*things: str, layout: Layout = "line") -> str:
    """The same as a planner writes it."""
    return program_in(canvas(*things), layout)


class ScriptedLlama(LlamaForCausalLM):
    """A model that has learned one text by heart: after the position of any token it says the next one.

    Args:
        tokenizer: what the text is written in.
        positions: how many positions it takes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, positions: int = 4096) -> None:
        torch.manual_seed(0)
        ids = {"bos_token_id": 0, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
        super().__init__(
            LlamaConfig(**SIZES, **ids, vocab_size=len(tokenizer), max_position_embeddings=positions)
        )
        self.eval()
        self.script: list[int] = []

    def learn(self, prompt: Sequence[int], text: str, tokenizer: PreTrainedTokenizerFast) -> None:
        """Say this text after that prompt, and end there."""
        ids = tokenizer.encode(text, add_special_tokens=False)
        self.script = [*prompt, *ids, tokenizer.eos_token_id]

    def forward(self, **inputs: Any) -> Any:
        """The usual outputs, with the script's logits in place of its own."""
        output = super().forward(**inputs)
        behind = inputs["position_ids"][0, -inputs["logits_to_keep"] :] + 1
        script = torch.tensor([*self.script, *[self.config.eos_token_id] * 4096])
        output.logits = torch.nn.functional.one_hot(script[behind], self.config.vocab_size).float()[None]
        return output


class ScriptedModel:
    """A scripted language model as a `ChatModel`."""

    def __init__(self, language_model: LlamaForCausalLM) -> None:
        self.language_model = language_model
        self.module = language_model

    def embed(self, encoded: Encoded) -> Tensor:
        table = self.language_model.get_input_embeddings()
        return table(torch.tensor(encoded.ids))


class Recited:
    """A reply that is known already, in pieces of a few letters."""

    def __init__(self, text: str, finish: FinishReason, cancelled: Callable[[], bool] | None) -> None:
        self._pieces: Iterator[str] = iter([text[n : n + 7] for n in range(0, len(text), 7)])
        self._cancelled = cancelled
        self._finish = finish
        self._ended = False
        self.closed = 0
        self.stats = PlanStats(prompt_tokens=10, tokens=0, passes=0)

    def __iter__(self) -> "Recited":
        return self

    def __next__(self) -> str:
        if self._cancelled is not None and self._cancelled():
            raise StopIteration
        piece = next(self._pieces, None)
        if piece is None:
            self._ended = True
            raise StopIteration
        self.stats = self.stats + PlanStats(tokens=2, passes=1)
        return piece

    @property
    def finish_reason(self) -> FinishReason:
        return self._finish if self._ended else "cancelled"

    def close(self) -> None:
        self.closed += 1


class FakeWriter:
    """Gives the replies it is made with, in turn, and remembers what it was asked.

    Args:
        replies: its replies; one that is a pair brings its own reason to end.
        context: tokens it takes; a message counts for one token a letter.
    """

    def __init__(self, *replies: str | tuple[str, FinishReason], context: int | None = None) -> None:
        self._replies = list(replies)
        self.context = context
        self.asked: list[list[Message]] = []
        self.samplings: list[Sampling] = []
        self.writings: list[Recited] = []

    def count(self, messages: Sequence[Message]) -> int:
        return sum(len(message.text) for message in messages)

    def write(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> Recited:
        self.asked.append(list(messages))
        self.samplings.append(sampling)
        reply = self._replies.pop(0)
        text, finish = (reply, "stop") if isinstance(reply, str) else reply
        self.writings.append(Recited(text, finish, cancelled))
        return self.writings[-1]
