"""From a recipe to the objective it names."""

from pathlib import Path
from typing import Final

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.train.conversations import ConversationSource, LlavaJson, StorybookConversations
from gesso.train.llava import build_chat
from gesso.train.objectives.base import Objective
from gesso.train.objectives.contrastive import ContrastiveObjective
from gesso.train.objectives.dense import DenseObjective
from gesso.train.objectives.language import LanguageObjective
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.pictures import PictureStore
from gesso.train.texts import train_tokenizer

__all__ = ["build_objective"]

SOURCES: Final = {
    "init": "the whole model to start from",
    "vision": "the tower to start from",
    "language": "the language model to start from",
    "tokenizer": "the tokenizer of a new model",
    "aspect": "how a LLaVA makes pictures square",
}
USED: Final[dict[str, set[str]]] = {
    "dense": {"init"},
    "contrastive": {"vision", "tokenizer"},
    "language": {"init", "tokenizer"},
    "vision-language": {"init", "vision", "language", "aspect"},
}
"""Settings of `SOURCES` that each objective reads."""


def build_objective(recipe: Recipe) -> Objective:
    """Make the model and data of a recipe.

    Raises:
        ConfigError: a setting this objective needs is missing, or one is given that it would ignore.
    """
    for name in SOURCES.keys() - USED[recipe.objective]:
        if getattr(recipe.model, name) is not None:
            raise ConfigError(f"model.{name} means nothing to a {recipe.objective} recipe ({SOURCES[name]}); "
                              "leave it out")  # fmt: skip
    match recipe.objective:
        case "dense":
            return DenseObjective(recipe)
        case "contrastive":
            return ContrastiveObjective(recipe, _tokenizer(recipe))
        case "language":
            return LanguageObjective(recipe, _tokenizer(recipe))
        case "vision-language":
            chat = build_chat(recipe)
            patch = chat.processor.settings.patch_size
            return VisionLanguageObjective(chat, _source(recipe, patch), recipe.data)


def _tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """The named tokenizer, or one trained on the storybook's texts."""
    named = recipe.model.tokenizer or recipe.model.init
    if named is None:
        return train_tokenizer(recipe.model.vocabulary, seed=recipe.data.seed)
    folder = Path(named)
    if not folder.is_dir():
        raise ConfigError(f"model.tokenizer {folder} is no folder; train its recipe first, or leave it out")
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer


def _source(recipe: Recipe, patch: int) -> ConversationSource:
    data = recipe.data
    if data.source == "llava-json":
        return LlavaJson(Path(str(data.path)), Path(str(data.images)))
    return StorybookConversations(PictureStore.of(data, patch), data)
