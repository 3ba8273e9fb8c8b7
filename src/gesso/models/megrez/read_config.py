"""From a published Megrez's config.json and preprocessor_config.json to configs of the parts and settings."""

from collections.abc import Mapping
from typing import Any, Final

from transformers import LlamaConfig, SiglipVisionConfig, WhisperConfig

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.megrez.modules import MegrezConfig
from gesso.models.megrez.settings import FRAMES_OF_30_S, RATE, MegrezSettings
from gesso.models.originals import SIZES, build_text_config

__all__ = ["PUBLISHED_TYPE", "read_config", "read_settings"]

PUBLISHED_TYPE: Final = "megrezo"
"""`model_type` of the published checkpoint."""

VISION_SIZES: Final = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
    "patch_size",
)  # fmt: skip
AUDIO_SIZES: Final = ("n_mels", "n_ctx", "n_state", "n_head", "n_layer", "output_dim")

FIXED: Final[Mapping[str, Any]] = {
    "im_start": "<|image_start|>", "im_end": "<|image_end|>", "slice_start": "<|slice_start|>",
    "slice_end": "<|slice_end|>", "im_id_start": "<|image_id_start|>", "im_id_end": "<|image_id_end|>",
    "unk": "<|unk|>", "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "norm_mean": [0.5] * 3,
    "norm_std": [0.5] * 3, "mean": [0.5] * 3, "std": [0.5] * 3, "sampling_rate": RATE,
}  # fmt: skip
"""Entries of preprocessor_config.json that gesso knows in this form only; each may be absent."""


def read_config(config: Mapping[str, Any], settings: MegrezSettings) -> MegrezConfig:
    """The config of the whole model from a published config.json, which is flat but for the two encoders.

    Raises:
        CheckpointError: it lacks an entry, or entries contradict each other.
        UnsupportedError: a kind of encoder or connector that gesso does not have.
    """
    text = build_text_config(config, LlamaConfig, (*SIZES, "num_key_value_heads"))
    vision = _part(config, "vision_config", VISION_SIZES)
    audio = _part(config, "audio_config", AUDIO_SIZES)
    _check(config, vision, audio, settings)
    layers = vision["num_hidden_layers"] - bool(config.get("drop_vision_last_layer", False))
    fields = {**{name: vision[name] for name in VISION_SIZES}, "num_hidden_layers": layers}
    return MegrezConfig(
        text_config=text,
        vision_config=SiglipVisionConfig(
            **fields, hidden_act=vision.get("hidden_act", "gelu_pytorch_tanh"),
            layer_norm_eps=vision.get("layer_norm_eps", 1e-6), vision_use_head=False,
        ),
        audio_config=WhisperConfig(
            num_mel_bins=audio["n_mels"], max_source_positions=audio["n_ctx"], d_model=audio["n_state"],
            encoder_attention_heads=audio["n_head"], encoder_layers=audio["n_layer"],
            encoder_ffn_dim=4 * audio["n_state"], activation_function="gelu",
        ),
        vision_batch_size=config.get("vision_batch_size", 8),
        tie_word_embeddings=text.tie_word_embeddings,
        gesso=settings.to_dict(),
    )  # fmt: skip


def read_settings(config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> MegrezSettings:
    """Settings of a published checkpoint; absent entries mean what the published ones say.

    Raises:
        CheckpointError: a value that no model can have.
        UnsupportedError: marks, normalisation or a sampling rate that gesso does not have.
    """
    for name, known in FIXED.items():
        value = preprocessor.get(name, known)
        if value != known and value != known[0] if isinstance(known, list) else value != known:
            raise UnsupportedError(f"preprocessor_config.json has {name} {value!r}; allowed: {known!r}")
    names = ("max_slice_nums", "scale_resolution", "slice_mode", "use_image_id", "patch_size")
    given = {name: preprocessor[name] for name in names if name in preprocessor}
    # the queries of the resampler decide, and the processor must agree
    count = config.get("query_num", 64)
    said = preprocessor.get("image_feature_size", count)
    if said != count:
        raise CheckpointError(f"config.json has query_num {count}, preprocessor_config.json "
                              f"image_feature_size {said}; they must be equal")  # fmt: skip
    longest = config.get("max_sequence_length") or config.get("max_position_embeddings", 4096)
    # 50 frames a second; the published encoder takes 30 s
    frames = (config.get("audio_config") or {}).get("n_ctx", FRAMES_OF_30_S)
    seconds = max(1, min(frames, FRAMES_OF_30_S) // 50)
    return MegrezSettings(image_feature_size=count, max_length=longest, clip_seconds=seconds, **given)


def _part(config: Mapping[str, Any], name: str, sizes: tuple[str, ...]) -> Mapping[str, Any]:
    part = config.get(name)
    if not isinstance(part, Mapping):
        raise CheckpointError(f"config.json has no {name}; this is no Megrez-Omni checkpoint")
    missing = [size for size in sizes if size not in part]
    if missing:
        raise CheckpointError(f"{name} of config.json lacks {', '.join(missing)}; fetch the file again")
    return part


def _check(
    config: Mapping[str, Any], vision: Mapping[str, Any], audio: Mapping[str, Any], settings: MegrezSettings
) -> None:
    for name in ("avg_pool", "add_audio_bos_eos_token"):
        if audio.get(name, True) is not True:
            raise UnsupportedError(f"audio_config has {name} {audio[name]!r}; allowed: true")
    if audio["output_dim"] != config["hidden_size"]:
        raise CheckpointError(f"audio_config has output_dim {audio['output_dim']}, but the language model is "
                              f"{config['hidden_size']} wide; they must be equal")  # fmt: skip
    if vision["patch_size"] != settings.patch_size:
        raise CheckpointError(f"vision_config has patch_size {vision['patch_size']}, the settings "
                              f"{settings.patch_size}; they must be equal")  # fmt: skip
