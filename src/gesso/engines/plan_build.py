"""From a folder to a planner: Omost's published models, the mini, and any other language model."""

from pathlib import Path
from typing import Final

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gesso.canvas.grammar import ReplyShape, reply_grammar
from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling
from gesso.engines.builders import device_of, dtype_of
from gesso.engines.chat import Chat
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_endpoint import GENERAL_SETTINGS
from gesso.engines.plan_local import LocalWriter
from gesso.engines.text_chat import TextChat, TextProcessor
from gesso.models.base import Processor
from gesso.models.causal import load_language_model
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.omost.processor import TemplateProcessor
from gesso.models.templates import get_template, storybook_jinja

__all__ = ["STORYBOOK_SETTINGS", "build_omost", "build_planner", "local_planner"]

USEFUL: Final = 8192
"""Tokens of a conversation up to which Omost's models are good (its README; 5 to 6 rounds of editing)."""

ENDLESS: Final = 2**31
"""The chat engine itself checks lengths against the model, and says what is left."""

STORYBOOK_SETTINGS: Final = PlanSettings(
    system=None,
    shape=ReplyShape(layout="line", max_regions=9, max_details=2, max_text=160, max_note=600),
    sampling=Sampling(max_new_tokens=900),
)
"""How models are asked that gesso trains on storybook programs."""


def build_omost(folder: Path, options: LoadOptions) -> Planner:
    """One of Omost's published language models, in 16 bit or packed by bitsandbytes."""
    return _built(folder, options, PlanSettings(), USEFUL)


def build_planner(folder: Path, options: LoadOptions) -> Planner:
    """Any causal language model of transformers.

    With a chat template of its own it is told at length what to write; without one it is taken for a model
    that gesso trained on storybook programs.
    """
    return _built(folder, options, None, None)


def local_planner(
    chat: Chat,
    settings: PlanSettings,
    *,
    constrain: bool = True,
    draft: bool = True,
    context: int | None = None,
    before: str = "",
) -> Planner:
    """A planner that is a chat engine in memory.

    Args:
        chat: the engine.
        settings: how it is asked.
        constrain: whether replies are kept inside the grammar of canvas programs.
        draft: whether the last canvas serves as a draft of the next.
        context: tokens worth using, if fewer than the model takes.
        before: what the model's template has between the assistant's opening and the first word.

    Raises:
        MissingExtraError: replies are to be constrained, and llguidance is not installed.
    """
    grammar = reply_grammar(settings.shape, before) if constrain else None
    return Planner(LocalWriter(chat, grammar=grammar, draft=draft, context=context), settings)


def _built(folder: Path, options: LoadOptions, settings: PlanSettings | None, context: int | None) -> Planner:
    if options.base is not None:
        raise UsageError(f"base {options.base!r} is given, but the model is no adapter; leave it out")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor, before = _processor(tokenizer)
    storybook = isinstance(processor, TextProcessor)
    settings = settings or (STORYBOOK_SETTINGS if storybook else GENERAL_SETTINGS)
    model = load_language_model(folder, dtype=dtype_of(folder, options), device=device_of(options))
    return local_planner(Chat(TextChat(model), processor), settings, context=context, before=before)


def _processor(tokenizer: PreTrainedTokenizerBase) -> tuple[Processor, str]:
    """The processor of a tokenizer, and what stands before an answer's first word."""
    if tokenizer.chat_template not in (None, storybook_jinja()):
        return TemplateProcessor(tokenizer), ""
    settings = LlavaSettings(template="storybook", max_length=ENDLESS)
    before = get_template("storybook").around_answer[0]
    return TextProcessor(LlavaProcessor(tokenizer, settings)), before
