"""Checks of whole Mini-Gemini models against what the original gave: features, logits, tokens, splicing."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor

from gesso.core.messages import Image, Message, assistant, user
from gesso.models.base import Encoded, ImageTiles
from gesso.models.mgm.convert import load_mgm
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.views import cut_grid, resize, views_of
from gesso.models.tokens import PromptTokenizer
from gesso.nn.detail_mining import cells_of_tokens
from gesso.nn.merge import pad_rows, splice

__all__ = ["CHECKS", "loaded"]

TOLERANCE: Final = 1e-4
"""Largest difference, as a share of the largest value."""

PIXEL_TOLERANCE: Final = 1e-6


def check_chat(case: Path) -> None:
    """A whole model: pixels, towers, mining, projector, splicing, logits, greedy tokens."""
    description, expected = _json(case, "case"), _json(case, "expected")
    tensors = load_file(case / "expected.safetensors") | load_file(case / "inputs.safetensors")
    with loaded(case, description) as chat, torch.inference_mode():
        files = [case / name for name in description["images"]]
        pictures = [_prepared(chat, file) for file in files]
        pixels = torch.cat([picture.pixels for picture in pictures])
        if "images_aux" in tensors:
            _assert_close(pixels, tensors["images_aux"], "images_aux", PIXEL_TOLERANCE)
        _check_features(chat, pixels, tensors)
        if "batch_of_two_features" in tensors:
            both = torch.cat([pixels, pixels * 0.5])
            features = torch.stack(chat.module.get_image_features(both).pooler_output)
            _assert_close(features, tensors["batch_of_two_features"], "batch of two")
        _check_turns(chat, description, expected, pictures, files, tensors)
        if "text_only_turn" in expected:
            turn = expected["text_only_turn"]
            ids = tuple(turn["input_ids"])
            logits = _check_turn(chat, Encoded(ids, (False,) * len(ids)), turn)
            _assert_close(logits[-1:], tensors["text_only_logits_last"], "text only")
        if "splice" in expected:
            _check_splice(chat, pictures, expected["splice"], tensors)


def _check_features(chat: MgmChat, pixels: Tensor, tensors: Mapping[str, Tensor]) -> None:
    """Every stage from the views to the projector; names are the original's."""
    model, settings = chat.module.model, chat.settings
    grid, whole = settings.image_grid, settings.image_global
    views = views_of(pixels, settings.image_size, grid, whole=whole)
    if "images" in tensors:
        _assert_close(views.view_as(tensors["images"]), tensors["images"], "images", PIXEL_TOLERANCE)
    states = model.vision_tower(views.flatten(0, 1), output_hidden_states=True).hidden_states
    tokens = states[settings.select_layer][:, 1:]
    tower = model.vision_tower_aux
    detail = tower.detail_map(pixels)
    parts = cut_grid(detail, grid)
    if whole:
        parts = torch.cat([parts, resize(detail, parts.shape[-1])[:, None]], dim=1)
    cells = parts.flatten(0, 1)
    mined = model.detail_mining(tokens, cells)
    own = cells_of_tokens(cells, tokens.shape[1])
    stages = [tower.embeddings(pixels)]
    for stage in tower.encoder.stages:
        stages.append(stage(stages[-1]))
    scale = getattr(model.get_input_embeddings(), "scalar_embed_scale", 1.0)
    found = {
        "clip_features": tokens,
        **{f"aux_stage_{number}": stage for number, stage in enumerate(stages[1:])},
        "aux_feature_map": detail,
        "uni_query": model.detail_mining.query(tokens),
        "uni_aux": model.detail_mining.key(own),
        "uni_val": model.detail_mining.value(own),
        "mined": mined,
        "mined_call0": mined[-1:] if whole else mined,
        "mined_call1": mined[:-1],
        "resampler_images": tokens,
        "projector_in": tokens + mined,
        # Gemma's pictures are scaled here, by the whole model in the original
        "projector_out": torch.stack(chat.module.get_image_features(pixels).pooler_output) / scale,
    }
    for name, value in found.items():
        if name in tensors:
            _assert_close(value, tensors[name], name)


def _check_turns(
    chat: MgmChat,
    description: Mapping[str, Any],
    expected: Mapping[str, Any],
    pictures: Sequence[ImageTiles],
    files: Sequence[Path],
    tensors: Mapping[str, Tensor],
) -> None:
    messages: list[Message] = []
    for number, (question, turn) in enumerate(zip(description["questions"], expected["turns"], strict=True)):
        messages.append(user(*([Image(str(file)) for file in files] if number == 0 else []), question))
        encoded = chat.processor.encode(messages)
        assert list(encoded.ids) == turn["input_ids"]
        assert PromptTokenizer(chat.processor.tokenizer).prompt(turn["prompt"]) == encoded.ids
        for made, wanted in zip(encoded.images, pictures, strict=True):
            assert torch.equal(made.pixels, wanted.pixels)
        if number == 0:
            scale = getattr(chat.module.get_input_embeddings(), "scalar_embed_scale", 1.0)
            _assert_close(chat.embed(encoded)[None] / scale, tensors["inputs_embeds"], "inputs_embeds")
        logits = _check_turn(chat, encoded, turn, tensors if number == 0 else {})
        name = "logits" if number == 0 else "logits_last_turn1"
        _assert_close(logits[-tensors[name].shape[-2] :], tensors[name].view(-1, logits.shape[-1]), name)
        messages.append(assistant(turn["text"].strip()))


def _check_turn(
    chat: MgmChat, encoded: Encoded, turn: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Length and greedy tokens of a turn; gives the prompt's logits [L, V]."""
    embeddings = chat.embed(encoded)  # [L, D]
    if "sequence_length_after_image" in turn:
        assert len(embeddings) == turn["sequence_length_after_image"]
    wanted = turn["new_token_ids"]
    said = chat.module.generate(
        inputs_embeds=embeddings[None],
        attention_mask=torch.ones(1, len(embeddings), dtype=torch.long),
        max_new_tokens=len(wanted),
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=0,
    )
    assert said.sequences[0].tolist() == wanted
    if tensors and "step_logits" in tensors:
        steps = torch.cat(said.logits)  # [steps, V]
        _assert_close(steps[-len(tensors["step_logits"]) :], tensors["step_logits"], "step_logits")
    logits: Tensor = chat.language_model(inputs_embeds=embeddings[None]).logits[0]  # [L, V]
    return logits


def _check_splice(
    chat: MgmChat, pictures: Sequence[ImageTiles], expected: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Rows of ids to padded embeddings and labels, and their loss.

    The original lets the row without a picture use up one of the batch's pictures; that one is left out.
    """
    first = pictures[0].pixels
    # the third row has the first picture, turned round in its tensors
    own = [[first], [], [first.flip(-1)]]
    table = chat.module.get_input_embeddings()
    rows, labels = [], []
    lines = (tensors[f"splice_{name}"] for name in ("input_ids", "labels", "attention_mask"))
    for ids, marks, mask in zip(*lines, strict=True):
        features = [chat.module.get_image_features(pixels).pooler_output[0] for pixels in own[len(rows)]]
        real = mask.bool()
        row, targets = splice(ids[real], table, features, marks[real])
        rows.append(row)
        labels.append(targets)
    for variant in expected["variants"]:
        side = variant["config"]["tokenizer_padding_side"]
        limit = variant["config"].get("tokenizer_model_max_length")
        embeddings, mask = pad_rows(rows, side=side, max_length=limit)
        prefix = f"splice_{variant['name']}_"
        _assert_close(embeddings, tensors[f"{prefix}embeds"], prefix)
        assert mask.sum(1).tolist() == variant["lengths"]
        assert torch.equal(mask.bool(), tensors[f"{prefix}attention_mask"].bool())
        padded = torch.full(mask.shape, -100)
        padded[mask.bool()] = torch.cat([line[:limit] for line in labels])
        assert torch.equal(padded, tensors[f"{prefix}labels"].long())
        positions = (mask.cumsum(-1) - 1).clamp(min=0) if side == "left" else None
        loss = chat.module(
            inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, labels=padded
        ).loss
        assert abs(float(loss) - variant["loss"]) <= TOLERANCE * variant["loss"], variant["name"]


def _prepared(chat: MgmChat, file: Path) -> ImageTiles:
    with Pictures.open(file) as picture:
        return chat.processor.prepare(picture.convert("RGB"), overview_only=False)


@contextmanager
def loaded(case: Path, description: Mapping[str, Any]) -> Iterator[MgmChat]:
    """The case's weights as a checkpoint folder of the original's form, with its CLIP beside it, loaded."""
    config = dict(description["config"])
    with tempfile.TemporaryDirectory() as place:
        folder, clip = Path(place) / "checkpoint", Path(place) / Path(config["mm_vision_tower"]).name
        folder.mkdir()
        clip.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for path in (case / "tokenizer").iterdir():
            shutil.copyfile(path, folder / path.name)
        shutil.copyfile(case / "weights.safetensors", folder / "model.safetensors")
        tower = {**description["clip_vision_config"], "model_type": "clip_vision_model"}
        (clip / "config.json").write_text(json.dumps(tower), encoding="utf-8")
        yield load_mgm(folder)


def _assert_close(actual: Tensor, expected: Tensor, name: str, tolerance: float = TOLERANCE) -> None:
    assert actual.shape == expected.shape, (name, actual.shape, expected.shape)
    worst = float((actual - expected).abs().max())
    assert worst <= tolerance * max(1.0, float(expected.abs().max())), (name, worst)


def _json(case: Path, name: str) -> Any:
    return json.loads((case / f"{name}.json").read_text("utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {"mgm/chat": check_chat}
