"""The language model that a planning or preference recipe trains, and how its conversations are laid out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.core.messages import Message, system
from gesso.engines.catalog import known
from gesso.engines.folders import folder_of
from gesso.models.base import Encoded
from gesso.models.causal import load_language_model
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.omost.processor import TemplateProcessor
from gesso.models.omost.prompts import SYSTEM_PROMPT
from gesso.models.templates import storybook_jinja
from gesso.train.canvas_tokens import add_canvas_tokens

__all__ = ["ConversationEncoder", "load_planner", "planner_folder"]


class _Encodes(Protocol):
    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded: ...


class ConversationEncoder:
    """Lays conversations out for one model, and cuts them to a length.

    A model whose tokenizer has a chat template keeps that, and is told Omost's system prompt first, as the
    published planners are; a conversation with a system message of its own keeps its own. Others get the
    storybook's template, which has no place for one.

    Args:
        tokenizer: of the model.
        template: a template of `gesso.models.templates` to use instead.
        longest: tokens of a conversation at most.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str | None, longest: int) -> None:
        self.longest = longest
        self._opening: list[Message] = []
        self._processor: _Encodes
        if template is None and tokenizer.chat_template not in (None, storybook_jinja()):
            self._processor = TemplateProcessor(tokenizer)
            self._opening = [system(SYSTEM_PROMPT)]
        else:
            # no length of its own: what is too long is cut here, not refused
            settings = LlavaSettings(template=template or "storybook", max_length=2**31)
            self._processor = LlavaProcessor(tokenizer, settings)

    def prompt(self, messages: Sequence[Message]) -> Encoded:
        """A conversation that ends where the assistant is to speak, whole."""
        return self._processor.encode(self._opened(messages))

    def uncut(self, messages: Sequence[Message]) -> Encoded:
        """A conversation with its last answer, however long it is."""
        return self._processor.encode(self._opened(messages), add_generation_prompt=False)

    def whole(self, messages: Sequence[Message]) -> Encoded:
        """A whole conversation; its last turns are left out while it is too long, then it is cut."""
        encoded = self.uncut(messages)
        while len(encoded.ids) > self.longest and sum(m.role == "assistant" for m in messages) > 1:
            messages = messages[:-2]
            encoded = self.uncut(messages)
        return Encoded(encoded.ids[: self.longest], encoded.supervised[: self.longest])

    def _opened(self, messages: Sequence[Message]) -> list[Message]:
        return [*([] if messages[0].role == "system" else self._opening), *messages]


def load_planner(recipe: Recipe) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model to start from, in float32 (packed weights are unpacked), and its tokenizer.

    Raises:
        ConfigError: `model.init` names neither a folder nor a model of the catalogue.
    """
    folder = planner_folder(recipe)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    model = load_language_model(folder)
    if recipe.model.canvas_tokens:
        add_canvas_tokens(model, tokenizer)
    model.set_attn_implementation(recipe.model.attention)
    if recipe.run.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return model, tokenizer


def planner_folder(recipe: Recipe) -> Path:
    """The folder that `model.init` names."""
    name = recipe.model.init
    if name is None:
        raise ConfigError(f"a {recipe.objective} recipe needs model.init, a language model to start from")
    if Path(name).is_dir():
        return Path(name)
    if known(name) is None:
        raise ConfigError(f"model.init is {name!r}, neither a folder nor a model of the catalogue; "
                          "train its recipe first, or give its path")  # fmt: skip
    return folder_of(name)
