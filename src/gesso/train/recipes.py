"""From a recipe to the objective it names."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError, MissingExtraError
from gesso.models.megrez.model import MegrezChat
from gesso.train.conversations import ConversationSource, LlavaJson, StorybookConversations
from gesso.train.llava import build_chat
from gesso.train.megrez import is_megrez, load_or_assemble
from gesso.train.mgm import build_mgm, is_mgm
from gesso.train.objectives.base import Objective
from gesso.train.objectives.contrastive import ContrastiveObjective
from gesso.train.objectives.dense import DenseObjective
from gesso.train.objectives.distil import DistilObjective
from gesso.train.objectives.judge import JudgeObjective
from gesso.train.objectives.language import LanguageObjective
from gesso.train.objectives.mined_signs import MinedSignsObjective
from gesso.train.objectives.planning import PlanningObjective
from gesso.train.objectives.preference import PreferenceObjective
from gesso.train.objectives.signs import SignsObjective
from gesso.train.objectives.speech import SpeechObjective
from gesso.train.objectives.spelling import SpellingObjective
from gesso.train.objectives.subject_feature import SubjectFeatureObjective
from gesso.train.objectives.text_facts import TextFactsObjective
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.pictures import PictureStore
from gesso.train.planners import load_planner
from gesso.train.plans import plan_source
from gesso.train.records import MegrezRecords
from gesso.train.spoken import SpokenConversations, speech_of
from gesso.train.texts import train_tokenizer

__all__ = ["build_objective"]

SOURCES: Final = {
    "init": "the whole model to start from",
    "vision": "the tower to start from",
    "language": "the language model to start from",
    "detail": "the high-resolution tower to start from",
    "high": "the high resolution of a Mini-Gemini",
    "grid": "the views of a Mini-Gemini",
    "overview": "a further view of a Mini-Gemini",
    "audio": "the Megrez whose ears are taken",
    "tokenizer": "the tokenizer of a new model",
    "aspect": "how a LLaVA makes pictures square",
    "autoencoder": "what makes a painter's latents",
    "text_encoder": "a painter's first text encoder",
    "text_encoder_2": "a painter's second text encoder",
    "features": "the first stage of a model that paints subjects, or an adapter",
}
USED: Final[dict[str, set[str]]] = {
    "dense": {"init"},
    "contrastive": {"vision", "tokenizer"},
    "language": {"init", "tokenizer"},
    "vision-language": {
        "init",
        "vision",
        "language",
        "aspect",
        "audio",
        "detail",
        "high",
        "grid",
        "overview",
    },
    "planning": {"init"},
    "preference": {"init"},
    "text-facts": {"tokenizer"},
    "text-distil": {"init", "text_encoder"},
    "autoencoder": {"init"},
    "diffusion": {"init", "autoencoder", "text_encoder", "text_encoder_2"},
    "judge": set(),
    "distil": {"init", "vision"},
    "speech": {"init"},
    "subject-feature": {"language", "vision"},
    "subject-attention": {"init", "language", "features"},
    "ip-adapter": {"init", "vision", "features"},
    "dreambooth": {"init"},
    "signs": {"init", "detail", "high"},
    "spelling": {"init", "detail", "high"},
}
"""Settings of `SOURCES` that each objective reads."""

DATA: Final[dict[str, set[str]]] = {
    "vision-language": {"storybook", "llava-json", "storybook-speech", "records"},
    "planning": {"storybook", "storybook-lookups", "messages", "boxes"},
    "preference": {"storybook", "messages"},
    "subject-feature": {"storybook", "subjects"},
    "subject-attention": {"storybook", "subjects"},
    "ip-adapter": {"storybook", "subjects"},
    "dreambooth": {"pictures"},
}
"""The data sources of each objective; others take the storybook alone."""

PAINTERS: Final = ("autoencoder", "diffusion")
"""Objectives that may learn from kinds no scene is sampled with, which others would not tell apart, and from
things that all stand right at their locations."""

DIFFUSING: Final = ("text-distil", "subject-attention", "ip-adapter", "dreambooth")
"""Further objectives that read the settings of diffusion."""

HEARD: Final = ("storybook-speech", "records")
"""Data sources with sounds."""


def build_objective(recipe: Recipe) -> Objective:
    """Make the model and data of a recipe.

    Raises:
        ConfigError: a setting this objective needs is missing, or one is given that it would ignore.
    """
    for name in SOURCES.keys() - USED[recipe.objective]:
        if getattr(recipe.model, name) is not None:
            raise ConfigError(f"model.{name} means nothing to a {recipe.objective} recipe ({SOURCES[name]}); "
                              "leave it out")  # fmt: skip
    for name in ("autoencoder", "diffusion", "dreambooth", "preference"):
        shared = name == "diffusion" and recipe.objective in DIFFUSING
        if getattr(recipe, name) is not None and recipe.objective != name and not shared:
            raise ConfigError(f"{name} settings mean nothing to a {recipe.objective} recipe; leave them out")
    for name, given in (("rare", recipe.data.rare), ("offsets", not recipe.data.offsets)):
        if given and recipe.objective not in PAINTERS:
            raise ConfigError(f"data.{name} is for {' and '.join(PAINTERS)} recipes, and means nothing to a "
                              f"{recipe.objective} recipe; leave it out")  # fmt: skip
    allowed = DATA.get(recipe.objective, {"storybook"})
    if recipe.data.source not in allowed:
        raise ConfigError(f"data.source {recipe.data.source} for a {recipe.objective} recipe; "
                          f"allowed: {', '.join(sorted(allowed))}")  # fmt: skip
    match recipe.objective:
        case "dense":
            return DenseObjective(recipe)
        case "contrastive":
            return ContrastiveObjective(recipe, _tokenizer(recipe))
        case "language":
            return LanguageObjective(recipe, _tokenizer(recipe))
        case "vision-language":
            return _answers(recipe)
        case "text-facts":
            return TextFactsObjective(recipe, _tokenizer(recipe))
        case "planning":
            return PlanningObjective(recipe, *load_planner(recipe), plan_source(recipe.data))
        case "preference":
            return PreferenceObjective(recipe, *load_planner(recipe))
        case "distil":
            return DistilObjective(recipe)
        case "speech":
            return SpeechObjective(recipe)
        case "signs":
            return MinedSignsObjective(recipe) if is_mgm(recipe.model) else SignsObjective(recipe)
        case "spelling":
            return SpellingObjective(recipe)
        case "judge":
            return JudgeObjective(recipe)
        case "subject-feature":
            return SubjectFeatureObjective(recipe)
        case _:
            return _painting(recipe)


def _answers(recipe: Recipe) -> Objective:
    """Answers about pictures by a LLaVA or a Mini-Gemini, or about pictures and sounds by a Megrez."""
    if is_megrez(recipe.model.init):
        hearing = load_or_assemble(recipe)
        return VisionLanguageObjective(hearing, _hearing_source(recipe, hearing), recipe.data)
    if recipe.model.audio is not None:
        raise ConfigError("model.audio is for Megrez recipes; leave it out, or set model.init to a Megrez")
    if recipe.data.source in HEARD:
        raise ConfigError(f"data.source {recipe.data.source} is for a model with ears; set model.init to one")
    if is_mgm(recipe.model):
        detailed = build_mgm(recipe)
        settings = detailed.settings
        patch = settings.image_size_aux // settings.grid_side
        return VisionLanguageObjective(detailed, _source(recipe, patch), recipe.data)
    for name in ("high", "grid", "overview"):
        if getattr(recipe.model, name) is not None:
            raise ConfigError(f"model.{name} is for a Mini-Gemini; leave it out, or give model.detail")
    chat = build_chat(recipe)
    return VisionLanguageObjective(chat, _source(recipe, chat.settings.patch_size), recipe.data)


def _hearing_source(recipe: Recipe, chat: MegrezChat) -> ConversationSource:
    data = recipe.data
    if data.source == "storybook-speech":
        pictures = PictureStore.of(data, chat.settings.patch_size)
        return SpokenConversations(pictures, speech_of(data, chat), data)
    if data.source == "records":
        # a record is cut at the row, as the original does
        chat.processor.max_length = min(chat.processor.max_length, data.length)
        return MegrezRecords(Path(str(data.path)), Path(data.images or "."))
    return _source(recipe, chat.settings.patch_size)


def _painting(recipe: Recipe) -> Objective:
    """The objectives that need diffusers, which only painting asks for."""
    if find_spec("diffusers") is None:
        raise MissingExtraError("diffusers", "paint")
    from gesso.train.objectives.autoencoder import AutoencoderObjective
    from gesso.train.objectives.diffusion import DiffusionObjective
    from gesso.train.objectives.ip_adapter import IpAdapterObjective
    from gesso.train.objectives.subject_attention import SubjectAttentionObjective
    from gesso.train.objectives.text_distil import TextDistilObjective

    match recipe.objective:
        case "autoencoder":
            return AutoencoderObjective(recipe)
        case "text-distil":
            return TextDistilObjective(recipe)
        case "subject-attention":
            return SubjectAttentionObjective(recipe)
        case "ip-adapter":
            return IpAdapterObjective(recipe)
        case "dreambooth":
            return _dreambooth(recipe)
        case _:
            return DiffusionObjective(recipe)


def _dreambooth(recipe: Recipe) -> Objective:
    if find_spec("peft") is None:
        raise MissingExtraError("peft", "train")
    from gesso.train.objectives.dreambooth import DreamboothObjective

    return DreamboothObjective(recipe)


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
        own = (str(data.path), str(data.images))
        return LlavaJson.joined([(Path(path), Path(images)) for path, images in (own, *data.more.items())])
    return StorybookConversations(PictureStore.of(data, patch), data)
