"""The Megrez a recipe trains: loaded whole, or put together from a LLaVA and a new audio encoder."""

import copy
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import AddedToken
from tokenizers.normalizers import Prepend
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, SiglipVisionConfig, WhisperConfig
from transformers.models.whisper.modeling_whisper import sinusoids

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.engines.catalog import known
from gesso.engines.folders import folder_of
from gesso.models.checkpoints import read_json
from gesso.models.llava.convert import load_llava
from gesso.models.llava.model import LlavaChat
from gesso.models.megrez.convert import ENDS, load_megrez
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration
from gesso.models.megrez.processor import MARKS, MegrezProcessor
from gesso.models.megrez.settings import MegrezSettings
from gesso.nn.resampler_start import start_gridded
from gesso.train.lora import adapt
from gesso.train.objectives.sizes import sizes_of

__all__ = ["assemble_megrez", "is_megrez", "load_or_assemble"]

RENAMED: Final = {"<unk>": "<|unk|>", "</s>": ENDS[0], "<pad>": "<|pad|>"}
"""Tokens of the minis that a Megrez has under other names."""

NUMBERS: Final = ("<|image_id_start|>", "<|image_id_end|>")


def is_megrez(name: str | None) -> bool:
    """Whether a folder or a name of the catalogue is a Megrez; what is not there is none."""
    if name is None or not (Path(name).is_dir() or known(name)):
        return False
    kind = read_json(folder_of(name) / "config.json").get("model_type")
    return kind in ("megrezo", MegrezConfig.model_type)


def load_or_assemble(recipe: Recipe) -> MegrezChat:
    """The model of a recipe, ready to train: `model.init` is a Megrez, or a LLaVA to begin with.

    Raises:
        ConfigError: `model.init` is missing, or there are no sizes for the audio encoder of a new model.
    """
    if recipe.model.init is None:
        raise ConfigError("model.init is missing; give a Megrez, or a LLaVA whose tower and language model a "
                          "new Megrez begins with")  # fmt: skip
    folder = folder_of(recipe.model.init)
    if is_megrez(recipe.model.init):
        chat = load_megrez(folder, dtype=torch.float32)
    else:
        chat = assemble_megrez(recipe, load_llava(folder, dtype=torch.float32))
    if recipe.model.audio is not None:
        ears: Any = load_megrez(folder_of(recipe.model.audio), dtype=torch.float32).module
        whole: Any = chat.module
        whole.audio.load_state_dict(ears.audio.state_dict())
    chat.module.set_attn_implementation(recipe.model.attention)
    adapt(chat, recipe)
    return chat


def assemble_megrez(recipe: Recipe, base: LlavaChat) -> MegrezChat:
    """A new Megrez with the tower and language model of a LLaVA; resampler and audio encoder are new.

    The tower is SigLIP's, so it has no class token and no norm before its layers: it begins near what the
    LLaVA's sees, and `objectives.distil` brings it there.
    """
    source: Any = base.module
    tokenizer = _tokenizer(base.processor.tokenizer)
    audio = WhisperConfig(**sizes_of(recipe, "audio", WhisperConfig))
    settings = MegrezSettings(
        image_feature_size=(base.settings.image_size // base.settings.patch_size) ** 2,
        scale_resolution=base.settings.image_size,
        patch_size=base.settings.patch_size,
        # a model that met no slices in training makes nothing of them: 4 of 5 answers are wrong
        slice_mode=recipe.data.size > base.settings.image_size,
        max_length=source.config.text_config.max_position_embeddings,
        template=recipe.model.template or "megrez_plain",
        use_image_id=False,
        # 50 frames a second
        clip_seconds=audio.max_source_positions // 50,
    )
    text = copy.deepcopy(source.config.text_config)
    text.vocab_size = len(tokenizer)
    module = MegrezForConditionalGeneration(
        MegrezConfig(
            text_config=text,
            vision_config=_vision(source.config.vision_config),
            audio_config=audio,
            tie_word_embeddings=text.tie_word_embeddings,
            gesso=settings.to_dict(),
        )
    )
    _copy_language(module, source)
    whole: Any = module
    _copy_tower(whole.vision, source.model.vision_tower, base)
    start_gridded(whole.resampler)
    whole.audio.positions.data.copy_(sinusoids(*whole.audio.positions.shape))
    return MegrezChat(module, MegrezProcessor(tokenizer, settings, mels=audio.num_mel_bins))


def _tokenizer(given: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The same vocabulary, with Megrez's marks behind it; tokens of the same meaning change their names."""
    text = given.backend_tokenizer.to_str()
    for old, new in RENAMED.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    tokenizer: Any = copy.deepcopy(given)
    tokenizer._tokenizer = type(given.backend_tokenizer).from_str(text)
    # words stand right behind marks here, and behind a blank in the LLaVA's templates; without one, "green"
    # would be a token that the language model has hardly met, and "yes" two pieces
    tokenizer._tokenizer.normalizer = Prepend(" ")
    tokenizer.add_special_tokens({
        "unk_token": "<|unk|>", "eos_token": ENDS[0], "pad_token": "<|pad|>",
        "additional_special_tokens": [AddedToken(m, special=True) for m in (*MARKS, *NUMBERS)],
    })  # fmt: skip
    tokenizer.chat_template = None
    made: PreTrainedTokenizerBase = tokenizer
    return made


def _vision(clip: Any) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=clip.hidden_size,
        intermediate_size=clip.intermediate_size,
        num_hidden_layers=clip.num_hidden_layers,
        num_attention_heads=clip.num_attention_heads,
        image_size=clip.image_size,
        patch_size=clip.patch_size,
        hidden_act=clip.hidden_act,
        layer_norm_eps=clip.layer_norm_eps,
        vision_use_head=False,
    )


@torch.no_grad()
def _copy_language(module: Any, source: Any) -> None:
    """The language model; marks that it lacks get random rows of the spread of the others."""
    table = source.get_input_embeddings().weight
    ours = module.get_input_embeddings().weight
    ours.normal_(std=float(table.std()))
    for target, origin in ((ours, table), (module.get_output_embeddings().weight, source.lm_head.weight)):
        target[: len(origin)] = origin
    state = {k: v for k, v in source.model.language_model.state_dict().items() if "embed_tokens" not in k}
    module.language_model.model.load_state_dict(state, strict=False)


@torch.no_grad()
def _copy_tower(tower: nn.Module, clip: Any, base: LlavaChat) -> None:
    """Layers and patches of a CLIP tower; pixels enter a SigLIP tower as -1 to 1, and without a norm."""
    ours: Any = tower
    ours.encoder.load_state_dict(clip.encoder.state_dict())
    ours.post_layernorm.load_state_dict(clip.post_layernorm.state_dict())
    pixels = base.processor.pixels
    mean, spread = (torch.tensor(v)[None, :, None, None] for v in (pixels.mean, pixels.std))
    weight = clip.embeddings.patch_embedding.weight  # [W, 3, p, p]
    embeddings = ours.embeddings
    # (x + 1) / 2 is the pixel from 0 to 1, from which CLIP takes its mean and spread
    embeddings.patch_embedding.weight.copy_(weight / (2 * spread))
    embeddings.patch_embedding.bias.copy_((weight * (0.5 - mean) / spread).sum((1, 2, 3)))
    embeddings.position_embedding.weight.copy_(clip.embeddings.position_embedding.weight[1:])
    _fold_norm(embeddings, clip.pre_layrnorm)


def _fold_norm(embeddings: Any, norm: nn.LayerNorm) -> None:
    """Let embeddings come out as they would behind a norm, at the mean spread of grey pictures."""
    whole: Tensor = embeddings.position_embedding.weight + embeddings.patch_embedding.bias  # [P, W]
    scale = norm.weight / whole.std(-1).mean()  # [W]
    for parameter in (embeddings.patch_embedding.weight, embeddings.patch_embedding.bias):
        centred = parameter - parameter.mean(0, keepdim=True)
        parameter.copy_(centred * scale.view(-1, *[1] * (parameter.ndim - 1)))
    table = embeddings.position_embedding.weight
    table.copy_((table - table.mean(-1, keepdim=True)) * scale + norm.bias)
