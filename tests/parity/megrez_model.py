"""Checks of Megrez models against what the original gave: towers, spans, logits, tokens, loss, gradients."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, SiglipVisionConfig, WhisperConfig, WhisperFeatureExtractor

from gesso.media.audio import load_audio
from gesso.models.base import Encoded, SoundClip
from gesso.models.checkpoints import rename_keys
from gesso.models.megrez.audio import AudioEncoder, frame_count, token_count
from gesso.models.megrez.contents import as_messages
from gesso.models.megrez.convert import ORIGINAL_KEYS, fill_original
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.preprocess import cut_slices
from gesso.models.megrez.processor import MegrezProcessor
from gesso.models.megrez.read_config import read_config
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.vision import NavitTower, as_strip, position_numbers
from gesso.nn.resampler import Resampler
from parity.megrez_inputs import bounds, conversation, expanded, tokenizer_of

__all__ = ["CHECKS"]

TOLERANCE: Final = 2e-5
"""Largest difference of features, as it stands in the cases."""

FROM_FILES: Final = 5e-4
"""The same where the features of a sound are made from its file, in other arithmetic than the original's."""


def check_vision(case: Path) -> None:
    """Pictures to slices, patches, positions, tower and resampler."""
    description = _json(case, "case")
    config, settings = description["config"], _settings(description["image_processor"])
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    cut = [cut_slices(_picture(case / name), settings) for name in description["images"]]
    assert [len(picture.slices) for picture in cut] == given["num_slices"].tolist()
    slices = [tiles.pixels[0] for picture in cut for tiles in picture.slices]
    _check_strips(slices, given, config["patch_size"])
    tower, resampler = _eyes(config, _named(case))
    grids = [(rows, columns) for rows, columns in given["tgt_sizes"].tolist()]
    side = config["vision_config"]["image_size"] // config["patch_size"]
    for row, (rows, columns) in enumerate(grids):
        numbers = expected["position_ids"][row, : rows * columns].tolist()
        assert position_numbers(rows, columns, side).tolist() == numbers
    with torch.inference_mode():
        behind = ~given["patch_attention_mask"][:, 0]  # [B, N]
        embeddings = tower.embed_strips(given["pixel_values"], grids).masked_fill(behind[..., None], 0)
        _assert_close(embeddings, expected["embeddings"], "embeddings")
        seen, own_grids = tower.encode(slices)
        assert own_grids == grids
        hidden = seen.masked_fill(behind[..., None], 0)
        _assert_close(hidden, expected["last_hidden_state"], "last_hidden_state")
        _assert_close(resampler(seen, grids), expected["resampler_out"], "resampler_out")


def _check_strips(slices: Sequence[Tensor], given: Mapping[str, Tensor], patch: int) -> None:
    """Pixels, to the last grey level."""
    assert len(slices) == len(given["pixel_values"])
    for picture, wanted, grid in zip(slices, given["pixel_values"], given["tgt_sizes"].tolist(), strict=True):
        assert [picture.shape[1] // patch, picture.shape[2] // patch] == grid
        strip = as_strip(picture, patch)
        assert torch.equal(strip, wanted[..., : strip.shape[-1]])


def _eyes(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[NavitTower, Resampler]:
    vision = dict(config["vision_config"])
    vision["num_hidden_layers"] -= bool(config["drop_vision_last_layer"])
    tower = NavitTower(SiglipVisionConfig(**vision, vision_use_head=False)).eval()
    tower.load_state_dict(_under(weights, "vision."))
    width, heads = config["hidden_size"], config["resampler"]["num_heads"]
    resampler = Resampler(config["query_num"], vision["hidden_size"], width, heads).eval()
    resampler.load_state_dict(_under(weights, "resampler."))
    return tower, resampler


def check_audio(case: Path) -> None:
    """Sounds to features and spans, together and alone, and how long every length becomes."""
    description = _json(case, "case")
    sizes = description["config"]["audio_config"]
    given, expected = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    for row in _json(case, "expected")["length_rule"]:
        frames = frame_count(min(row["samples"], 480_000))
        assert (frames, token_count(frames)) == (row["frames"], row["tokens"])
        assert token_count(frames) + 2 == row["span"]
    encoder = _ears(sizes, _under(_named(case), "audio."))
    frames = given["input_audio_lengths"][:, 0].tolist()
    sounds = [load_audio(case / clip["file"]) for clip in description["clips"]]
    assert [frame_count(min(len(sound), 480_000)) for sound in sounds] == frames
    mel = WhisperFeatureExtractor(feature_size=sizes["n_mels"])
    made = mel(sounds, sampling_rate=16_000, return_tensors="pt")["input_features"]
    stored = given["input_audios"]
    _assert_close(made[..., : stored.shape[-1]], stored, "log-mel features", 1e-4)
    with torch.inference_mode():
        lengths = given["input_audio_lengths"][:, 0]
        first = encoder.embed_columns(stored, lengths)
        _assert_close(first, expected["encoder_first_block_input"], "first block")
        last = encoder._encode(stored, lengths)
        last = last.masked_fill(torch.arange(last.shape[1])[None, :, None] >= lengths[:, None, None], 0)
        _assert_close(last, expected["encoder_last_block_output"], "last block")
        together = encoder(stored, frames, together=True)
        apart = encoder(stored, frames)
        heard = encoder(made, frames)
    for index in range(len(frames)):
        _assert_close(together[index], expected[f"audio_{index}"], f"audio_{index}")
        _assert_close(apart[index], expected[f"audio_{index}_alone"], f"audio_{index}_alone")
        _assert_close(heard[index], expected[f"audio_{index}_alone"], f"{index} from its file", FROM_FILES)


def _ears(sizes: Mapping[str, Any], weights: Mapping[str, Tensor]) -> AudioEncoder:
    config = WhisperConfig(
        num_mel_bins=sizes["n_mels"], max_source_positions=sizes["n_ctx"], d_model=sizes["n_state"],
        encoder_attention_heads=sizes["n_head"], encoder_layers=sizes["n_layer"],
        encoder_ffn_dim=4 * sizes["n_state"],
    )  # fmt: skip
    encoder = AudioEncoder(config, sizes["output_dim"]).eval()
    encoder.load_state_dict(dict(weights))
    return encoder


def check_chat(case: Path) -> None:
    """A whole conversation: ids, features, embeddings, logits, greedy tokens, loss and its gradients."""
    expected, tensors = _json(case, "expected"), load_file(case / "expected.safetensors")
    given, chat = load_file(case / "inputs.safetensors"), _chat(case)
    messages = list(conversation(_json(case, "messages"), case))
    encoded = chat.processor.encode(messages)
    ids, _ = expanded(chat.processor, encoded)
    assert ids == expected["input_ids"] == given["input_ids"].tolist()
    _check_bounds(chat, encoded, given, "")
    stored = _with_stored(encoded, given)
    with torch.inference_mode():
        if encoded.images:
            images = torch.stack(chat.features_of(encoded.images))
            _assert_close(images, tensors["image_embeds"], "image_embeds", 3e-5)
        if encoded.sounds:
            sounds = torch.cat(chat.sound_features_of(stored.sounds))
            _assert_close(sounds, tensors["audio_embeds"], "audio_embeds", 3e-5)
        _assert_close(chat.embed(stored), tensors["inputs_embeds"], "inputs_embeds", 3e-5)
        for made, tolerance in ((stored, 5e-5), (encoded, 2e-3)):
            logits = chat.module(inputs_embeds=chat.embed(made)[None]).logits[0]
            _assert_close(logits[-16:], tensors["logits_last16"], "logits", tolerance)
        _check_tokens(chat, encoded, expected)
    answer = {"role": "assistant", "content": {"text": expected["train"]["answer"]}}
    _check_training(chat, [*messages, *as_messages([answer])], given, expected["train"], tensors)


def _check_bounds(chat: MegrezChat, encoded: Encoded, given: Mapping[str, Tensor], prefix: str) -> None:
    for found, name in zip(bounds(chat.processor, encoded), ("image_bounds", "audio_bounds"), strict=True):
        wanted = given.get(f"{prefix}{name}", torch.zeros(0, 3))
        assert [[0, *pair] for pair in found] == wanted.tolist()


def _with_stored(encoded: Encoded, given: Mapping[str, Tensor]) -> Encoded:
    """The same with the case's own features of sounds, whose last digits are the original's."""
    if not encoded.sounds:
        return encoded
    assert [sound.frames for sound in encoded.sounds] == given["input_audio_lengths"][:, 0].tolist()
    sounds = [SoundClip(f, s.frames) for f, s in zip(given["input_audios"], encoded.sounds, strict=True)]
    return Encoded(encoded.ids, encoded.supervised, encoded.images, tuple(sounds))


def _check_tokens(chat: MegrezChat, encoded: Encoded, expected: Mapping[str, Any]) -> None:
    prompt = chat.embed(encoded)[None]
    for name, penalty in (("greedy_tokens", 1.0), ("greedy_tokens_repetition_penalty_1.2", 1.2)):
        wanted = expected[name]
        settings = GenerationConfig(max_new_tokens=len(wanted), repetition_penalty=penalty, pad_token_id=0)
        mask = torch.ones(prompt.shape[:2], dtype=torch.long)
        with warnings.catch_warnings():
            # about the penalty, which is what the case wants
            warnings.simplefilter("ignore")
            found = chat.module.generate(
                inputs_embeds=prompt, attention_mask=mask, generation_config=settings
            )
        assert found[0].tolist() == wanted, name


def _check_training(
    chat: MegrezChat,
    messages: Sequence[Any],
    given: Mapping[str, Tensor],
    train: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    (encoded,) = chat.processor.encode_group([messages])
    ids, labels = expanded(chat.processor, encoded)
    assert ids == given["train_input_ids"].tolist()
    assert labels == given["train_labels"].tolist()
    assert sum(label >= 0 for label in labels) == train["num_label_tokens"]
    _check_bounds(chat, encoded, given, "train_")
    embeddings, targets, mask = chat.embed_batch([_with_stored(encoded, given)])
    output = chat.module(inputs_embeds=embeddings, attention_mask=mask, labels=targets)
    shown = [place for place, label in enumerate(labels) if label >= 0][:12]
    _assert_close(output.logits[0, shown], tensors["train_logits_labelled"], "train logits", 5e-5)
    assert abs(output.loss.item() - train["loss"]) <= 1e-5
    own = functional.cross_entropy(output.logits[0], torch.tensor(labels))
    assert abs(own.item() - train["loss"]) <= 1e-5
    output.loss.backward()
    _check_gradients(chat, train["grad_norm_by_prefix"])


def _check_gradients(chat: MegrezChat, norms: Mapping[str, float]) -> None:
    ours = {"vision.vpm": "vision.", "vision.resampler": "resampler.", "audio.audio.blocks": "audio.layers.",
            "audio.audio.audio_bos_eos_token": "audio.begin_end."}  # fmt: skip
    for prefix, norm in norms.items():
        name = ours.get(
            prefix, f"{prefix}.".replace("audio.audio.", "audio.").replace("llm.", "language_model.")
        )
        found = [w.grad.square().sum() for key, w in chat.module.named_parameters()
                 if key.startswith(name) and w.grad is not None]  # fmt: skip
        assert abs(torch.stack(found).sum().sqrt().item() - norm) <= 1e-4 * norm, prefix


def _chat(case: Path) -> MegrezChat:
    description = _json(case, "case")
    config = description["config"]
    # the original encodes all sounds of a conversation together
    settings = _settings(description["image_processor"], max_length=config["max_position_embeddings"],
                         clips_together=True)  # fmt: skip
    module = fill_original(
        read_config(config, settings), load_file(case / "weights.safetensors"), torch.float32
    )
    # cases go on behind an end token
    module.generation_config.eos_token_id = None
    mels = config["audio_config"]["n_mels"]
    return MegrezChat(module.eval(), MegrezProcessor(tokenizer_of(case), settings, mels=mels))


def _settings(image_processor: Mapping[str, Any], **changes: Any) -> MegrezSettings:
    names = ("image_feature_size", "max_slice_nums", "scale_resolution", "patch_size", "slice_mode")
    return MegrezSettings(**{name: image_processor[name] for name in names}, **changes)


def _named(case: Path) -> dict[str, Tensor]:
    """The case's weights in float32, under our names."""
    weights = load_file(case / "weights.safetensors")
    return {name: weights[key].float() for key, name in rename_keys(weights, ORIGINAL_KEYS).items()}


def _picture(path: Path) -> Pictures.Image:
    with Pictures.open(path) as file:
        return file.convert("RGB")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def _assert_close(actual: Tensor, expected: Tensor, name: str, tolerance: float = TOLERANCE) -> None:
    assert actual.shape == expected.shape, name
    worst = float((actual.detach() - expected).abs().max())
    assert worst <= tolerance, (name, worst)


def _json(case: Path, name: str) -> Any:
    return json.loads((case / f"{name}.json").read_text(encoding="utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "megrez/audio": check_audio,
    "megrez/chat": check_chat,
    "megrez/vision": check_vision,
}
