"""Checks of what Megrez is given, against the original: cutting, positions, prompts, labels."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, PreTrainedTokenizerFast, SiglipVisionConfig, WhisperConfig

from gesso.config.schema import OptimSettings
from gesso.core.errors import ConfigError, UsageError
from gesso.core.messages import Audio, Image, Message
from gesso.models.base import AUDIO_INDEX, IGNORE_INDEX, IMAGE_INDEX, Encoded, ImageTiles
from gesso.models.megrez.audio import token_count
from gesso.models.megrez.contents import as_messages
from gesso.models.megrez.labels import find_labels
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration
from gesso.models.megrez.preprocess import CutPicture
from gesso.models.megrez.processor import MegrezProcessor, picture_pieces
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.slicing import patch_grid, plan_slices
from gesso.models.megrez.vision import position_numbers
from gesso.models.rendering import Piece, render
from gesso.models.templates import get_template
from gesso.models.tokens import PromptTokenizer
from gesso.train.optim import build_optimizers

__all__ = ["CHECKS", "bounds", "conversation", "expanded", "processor_of", "tokenizer_of"]

TEMPLATE: Final = get_template("megrez")
SCALES: Final = re.compile(r"scale_(\d+)_(?:feature_(\d+)|.*)")


def check_slicing(case: Path) -> None:
    """Grids, sizes, patch counts and place-holders of every size, and positions of patches."""
    tables = _json(case, "expected")
    for name, rows in tables.items():
        found = SCALES.fullmatch(name)
        if found is None:
            continue
        for row in rows:
            count = int(found[2] or 64)
            settings = MegrezSettings(
                scale_resolution=int(found[1]), image_feature_size=count, max_slice_nums=row["max_slice_nums"]
            )
            _check_plan(row, settings)
    for row in tables["placeholder_strings"]:
        settings = MegrezSettings(
            image_feature_size=row["image_feature_size"], max_slice_nums=row["max_slice_nums"],
            slice_mode=row.get("slice_mode", True),
        )  # fmt: skip
        number = row["image_index"] if row["use_image_id"] else None
        assert _placeholder(row["size"], settings, number) == row["placeholder"]
    _check_positions(_json(case, "position_buckets")["sides"])


def _check_plan(row: Mapping[str, Any], settings: MegrezSettings) -> None:
    plan = plan_slices(tuple(row["size"]), settings)
    pairs = {"grid": plan.grid, "overview": plan.overview, "refined": plan.refined, "slice": plan.slice}
    pairs["tgt_overview"] = patch_grid(plan.overview, settings)
    pairs["tgt_slice"] = plan.slice and patch_grid(plan.slice, settings)
    assert {name: pair and list(pair) for name, pair in pairs.items()} == {name: row[name] for name in pairs}
    assert plan.count == row["n_slices"]
    text = _placeholder(row["size"], settings, 0)
    assert plan.count * settings.image_feature_size == row["image_tokens"] == text.count("<|unk|>")
    assert sha1(text.encode()).hexdigest() == row["placeholder_sha1_with_id"]
    assert len(_placeholder(row["size"], settings, None)) == row["placeholder_chars_without_id"]


def _placeholder(size: Sequence[int], settings: MegrezSettings, number: int | None) -> str:
    cut = _cut(size, settings)
    return "".join(_text(piece, settings.image_feature_size) for piece in picture_pieces(cut, number))


def _cut(size: Sequence[int], settings: MegrezSettings) -> CutPicture:
    """A picture of this size as slices without pixels."""
    plan = plan_slices((size[0], size[1]), settings)
    empty = ImageTiles(torch.zeros(0), (0, 0))
    return CutPicture((empty,) * plan.count, plan.grid[0] if plan.grid else 0)


def _text(piece: Piece, count: int) -> str:
    return "<|unk|>" * count if piece.kind in ("picture", "sound") else piece.text


def _check_positions(sides: Mapping[str, Mapping[str, Sequence[Sequence[int]]]]) -> None:
    for side, deviations in sides.items():
        for count in range(1, 801):
            exact = [place * int(side) // count for place in range(count)]
            for place, bucket in deviations.get(str(count), ()):
                exact[place] = bucket
            assert position_numbers(1, count, int(side)).tolist() == exact, (side, count)
    assert position_numbers(2, 3, 70).tolist() == [0, 23, 46, 2450, 2473, 2496]


def check_templates(case: Path) -> None:
    """Conversations as text, before and after the marks of pictures and sounds are expanded."""
    config = _json(case, "case")["config"]
    settings = MegrezSettings(
        image_feature_size=config["image_feature_size"], max_slice_nums=config["max_slice_nums"],
        scale_resolution=config["scale_resolution"],
    )  # fmt: skip
    marks = {"picture": config["image_mark"], "sound": config["audio_mark"]}
    for row in _json(case, "expected"):
        messages = as_messages(row["messages"])
        for prompt, name in ((False, "rendered"), (True, "rendered_with_generation_prompt")):
            pieces = render(TEMPLATE, messages, add_generation_prompt=prompt)
            text = "".join(marks.get(piece.kind, piece.text) for piece in pieces)
            # the marks of a sound stand for the whole span, its start and end tokens included
            text = text.replace("<|audio_start|>", "").replace("<|audio_end|>", "")
            if prompt and messages[-1].role == "assistant":
                continue
            assert text == row[name], row["name"]
        assert [part.source for said in messages for part in said.images] == row["images"]
        assert [part.source for said in messages for part in said.sounds] == row["audios"]
        if row["expansion"]:
            assert _expansion(pieces, row["expansion"], settings) == row["expansion"]["text"], row["name"]


def _expansion(pieces: Sequence[Piece], row: Mapping[str, Any], settings: MegrezSettings) -> str:
    sizes, spans = enumerate(row["image_sizes_wh"]), iter(row["audio_spans"])
    text = ""
    for piece in pieces:
        if piece.kind == "picture":
            number, size = next(sizes)
            text += _placeholder(size, settings, number)
        else:
            text += _text(piece, next(spans) if piece.kind == "sound" else 0)
    return text


def check_labels(case: Path) -> None:
    """Training records to ids, labels and bounds; rows cut at a length; what each switch frees."""
    config, expected = _json(case, "case")["config"], _json(case, "expected")
    tensors = load_file(case / "expected.safetensors")
    lines = (case / "records.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line)["conversations"] for line in lines if line.strip()]
    place = case / config["dataset_prefix"]
    said = [list(conversation(record, place)) for record in records]
    for name, length in config["model_max_length"].items():
        processor = processor_of(case, config, max_length=length)
        group = processor.encode_group(said)
        if name == "full":
            for encoded, row in zip(group, expected["samples"], strict=True):
                _check_sample(processor, encoded, row)
        _check_batch(processor, group, name, tensors)
    for row in expected["label_rule_cases"]:
        _check_rule(case, row)
    if "tune_switches" in expected:
        chat = _untrained()
        for row in expected["tune_switches"]:
            _check_switches(chat, row)


def _check_sample(processor: MegrezProcessor, encoded: Encoded, row: Mapping[str, Any]) -> None:
    ids, labels = expanded(processor, encoded)
    assert ids == row["input_ids"]
    assert labels == row["labels"]
    images, sounds = bounds(processor, encoded)
    assert [[0, *pair] for pair in images] == row["image_bounds"]
    assert [[0, *pair] for pair in sounds] == row["audio_bounds"]
    grids = [list(patch_grid(image.size, processor.settings)) for image in encoded.images]
    assert grids == row["tgt_sizes"]
    lengths = [[sound.frames, token_count(sound.frames)] for sound in encoded.sounds]
    assert lengths == row["audio_lengths"]
    assert [processor.sound_width(sound) for sound in encoded.sounds] == row["audio_spans"]


def _check_batch(
    processor: MegrezProcessor, group: Sequence[Encoded], name: str, tensors: Mapping[str, Any]
) -> None:
    """The rows of a batch. The original keeps the place-holders of media that do not fit, we leave them out.

    Behind them nothing is learned, so the loss is the same; and a row's last label is the token behind the
    cut, which the loss of a library that shifts by itself cannot see.
    """
    unknown = processor.tokenizer.convert_tokens_to_ids("<|unk|>")
    for number, encoded in enumerate(group):
        ids, labels = expanded(processor, encoded)
        wanted = tensors[f"{name}.input_ids"][number].tolist()
        mask = tensors[f"{name}.attention_mask"][number].tolist()
        assert ids == wanted[: len(ids)]
        assert set(wanted[len(ids) : sum(mask)]) <= {unknown}
        assert labels[:-1] == tensors[f"{name}.labels"][number].tolist()[: len(labels) - 1]
        assert set(tensors[f"{name}.labels"][number].tolist()[len(labels) :]) <= {IGNORE_INDEX}
    for field, which in (("image_bounds", 0), ("audio_bounds", 1)):
        found = [[n, *pair] for n, e in enumerate(group) for pair in bounds(processor, e)[which]]
        assert found == tensors[f"{name}.{field}"].tolist()


def _check_rule(case: Path, row: Mapping[str, Any]) -> None:
    """Labels found in ids, and, where a conversation of ours gives the same token string, those of it."""
    tokenizer = tokenizer_of(case)
    header = tokenizer("<|role_start|>assistant<|role_end|>", add_special_tokens=False).input_ids
    end = tokenizer.convert_tokens_to_ids("<|turn_end|>")
    if row["reference_raises"]:
        with pytest.raises(UsageError, match="never ended"):
            find_labels(row["input_ids"], header, end)
        return
    assert find_labels(row["input_ids"], header, end) == row["labels"], row["name"]
    turns = re.findall(r"<\|role_start\|>(\w+)<\|role_end\|>(.*?)<\|turn_end\|>", row["text"])
    whole = "".join(f"<|role_start|>{role}<|role_end|>{said}<|turn_end|>" for role, said in turns)
    roles = [role for role, _ in turns]
    if whole != row["text"] or roles != ["user", "assistant"][: len(roles)] * max(1, len(roles) // 2):
        return
    messages = as_messages([{"role": role, "content": said} for role, said in turns])
    # quoted marks count as such in the case's strings, but not in what a user of ours writes
    if any("<|" in message.text for message in messages):
        return
    pieces = render(replace(TEMPLATE, system=None), messages, add_generation_prompt=False)
    ids, supervised = PromptTokenizer(tokenizer).pieces(pieces)
    assert list(ids) == row["input_ids"], row["name"]
    assert _shifted(ids, supervised) == row["labels"], row["name"]


PARTS: Final = {
    "tune_vision_encoder": "vision", "tune_vision_proj": "projector", "tune_llm": "language",
    "tune_audio_encoder": "audio", "tune_audio_proj": "audio_projector",
}  # fmt: skip
STARTS: Final = {
    "vision.": "vision", "resampler.": "projector", "language_model.": "language",
    "audio.proj.": "audio_projector", "audio.begin_end.": "audio_projector", "audio.": "audio",
}  # fmt: skip
NAMES: Final = {
    "vision.vpm": "vision", "vision.resampler": "projector", "llm": "language",
    "audio.audio (all but the next two)": "audio", "audio.audio.proj": "audio_projector",
    "audio.audio.audio_bos_eos_token": "audio_projector",
}  # fmt: skip


def _check_switches(chat: MegrezChat, row: Mapping[str, Any]) -> None:
    """Which parameters of a model learn under the rates that stand for the switches."""
    chat.module.requires_grad_(True)
    chat.module.audio.positions.requires_grad_(False)
    rates = {part: float(row["flags"][flag]) for flag, part in PARTS.items()}
    try:
        build_optimizers(chat.parts, OptimSettings(), rates)
    except ConfigError:
        assert not row["trainable"]  # gesso refuses to train nothing
    wanted = {NAMES[name] for name in row["trainable"]}
    for name, parameter in chat.module.named_parameters():
        part = next(part for start, part in STARTS.items() if name.startswith(start))
        assert parameter.requires_grad == (part in wanted and name != "audio.positions"), (name, row["flags"])


def _untrained() -> MegrezChat:
    """A Megrez as small as they come."""
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2}
    module = MegrezForConditionalGeneration(
        MegrezConfig(
            text_config=LlamaConfig(hidden_size=128, intermediate_size=8, vocab_size=16, **sizes),
            vision_config=SiglipVisionConfig(
                hidden_size=8, intermediate_size=8, image_size=8, patch_size=4, vision_use_head=False, **sizes
            ),
            audio_config=WhisperConfig(
                d_model=8, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=8, num_mel_bins=4,
                max_source_positions=4,
            ),
            gesso=MegrezSettings().to_dict(),
        )
    )  # fmt: skip
    return MegrezChat(module, processor_of(Path(__file__).parents[1] / "fixtures/megrez/finetune-a", {}))


def conversation(record: Sequence[Mapping[str, Any]], place: Path) -> Iterator[Message]:
    """Messages of a conversation whose media lie in a folder."""
    for message in as_messages(record):
        parts = [
            replace(part, source=place / part.source) if isinstance(part, Image | Audio) else part
            for part in message.parts
        ]
        yield replace(message, parts=tuple(parts))


def tokenizer_of(case: Path) -> PreTrainedTokenizerFast:
    """The case's tokenizer."""
    backend = Tokenizer.from_file(str(case / "tokenizer.json"))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|turn_end|>", unk_token="<|unk|>", pad_token="<|pad|>"
    )


def processor_of(case: Path, config: Mapping[str, Any], **changes: Any) -> MegrezProcessor:
    """A processor with the case's tokenizer and settings of pictures."""
    names = ("image_feature_size", "max_slice_nums", "scale_resolution", "patch_size", "use_image_id")
    settings = MegrezSettings(**{name: config[name] for name in names if name in config}, **changes)
    return MegrezProcessor(tokenizer_of(case), settings)


def expanded(processor: MegrezProcessor, encoded: Encoded) -> tuple[list[int], list[int]]:
    """Ids with the original's place-holders, and its labels, which are shifted by one."""
    unknown = processor.tokenizer.convert_tokens_to_ids("<|unk|>")
    pairs: list[tuple[int, bool]] = []
    widths = processor._widths(encoded)
    for token, learned, width in zip(encoded.ids, encoded.supervised, widths, strict=True):
        pairs += [(unknown, False)] * width if token in (IMAGE_INDEX, AUDIO_INDEX) else [(token, learned)]
    return [token for token, _ in pairs], _shifted(*zip(*pairs, strict=True))


def _shifted(ids: Sequence[int], supervised: Sequence[bool]) -> list[int]:
    labels = [token if learned else IGNORE_INDEX for token, learned in zip(ids, supervised, strict=True)]
    return [*labels[1:], IGNORE_INDEX]


def bounds(processor: MegrezProcessor, encoded: Encoded) -> tuple[list[list[int]], list[list[int]]]:
    """Where slices and sounds stand, by the original's two conventions, which differ by one."""
    widths = processor._widths(encoded)
    ends = np.cumsum(widths).tolist()
    spans = [(token, end - width, end) for token, end, width in zip(encoded.ids, ends, widths, strict=True)]
    images = [[start, end] for token, start, end in spans if token == IMAGE_INDEX]
    return images, [[start - 1, end] for token, start, end in spans if token == AUDIO_INDEX]


def _json(case: Path, name: str) -> Any:
    return json.loads((case / f"{name}.json").read_text(encoding="utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "megrez/label-masks": check_labels,
    "megrez/slicing-table": check_slicing,
    "megrez/templates": check_templates,
}
