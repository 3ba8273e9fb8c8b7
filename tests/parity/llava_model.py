"""Checks of LLaVA models against what the original code gave: features, merging, logits, tokens, loading."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from PIL import Image as Pictures
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import DynamicCache, PreTrainedTokenizerFast

from gesso.core.errors import UnsupportedError
from gesso.core.messages import Image, Message, assistant, user
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded, ImageTiles
from gesso.models.llava.anyres import tile_grid
from gesso.models.llava.convert import load_llava
from gesso.models.llava.lora import merge_lora
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.preprocess import TileMaker
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.read_config import read_settings
from gesso.models.llava.towers import MPT_TOWER_PREFIX, TOWER_PREFIX
from gesso.models.pixels import PixelSettings
from gesso.models.tokens import PromptTokenizer
from gesso.models.towers import read_tower_config
from gesso.nn.merge import join_flat, join_lines, pad_rows, splice
from gesso.nn.projectors import build_projector

__all__ = ["CHECKS", "loaded"]

TOLERANCE: Final = 1e-4
"""Largest difference, as a share of the largest value."""

PIXEL_TOLERANCE: Final = 1e-6


def check_chat(case: Path) -> None:
    """A whole model: pixels, tower, projector, merging, splicing, logits at every position, greedy tokens."""
    expected, tensors = _json(case / "expected.json"), load_file(case / "expected.safetensors")
    with loaded(case) as chat, torch.inference_mode():
        makers = _TileMakers(case, chat)
        _check_pixels(makers, tensors)
        _check_tower(chat, makers, tensors)
        _check_merging(chat, makers, expected, tensors)
        if "prompts" not in expected:  # a case of one prompt only
            expected = {"prompts": [expected]}
            tensors = {f"p0.{key}": tensor for key, tensor in tensors.items()}
        for number, prompt in enumerate(expected["prompts"]):
            encoded = _encoded(prompt["input_ids"], makers.pictures(_pictures_of(prompt)))
            _check_text(chat, makers, prompt, encoded)
            _check_prompt(chat, encoded, prompt, _under(tensors, f"p{number}."))
        if "batch" in expected:
            _check_batch(chat, makers, expected, _under(tensors, "batch."))


def check_splice(case: Path) -> None:
    """Rows of ids and features to padded embeddings, labels, masks and positions.

    The original lets a row without a picture use up one of the batch's pictures; here that one is left out.
    """
    given, results = load_file(case / "inputs.safetensors"), load_file(case / "expected.safetensors")
    table = torch.nn.Embedding.from_pretrained(given["embed_tokens.weight"])
    for row in _json(case / "expected.json")["cases"]:
        tiles = iter(given["image_features"][: sum(row["tiles"])].split(row["tiles"]))
        pictures = iter([join_flat(t) for t in tiles])
        rows, labels = [], []
        for number, line in enumerate(row["input_ids"]):
            mask = row["attention_mask"][number] if row.get("attention_mask") else [1] * len(line)
            kept = torch.tensor([i for i, real in zip(line, mask, strict=True) if real])
            marks = row["labels"][number] if row.get("labels") else [IGNORE_INDEX] * len(line)
            marks = torch.tensor([i for i, real in zip(marks, mask, strict=True) if real])
            own = [next(pictures) for _ in range(max(1, line.count(IMAGE_INDEX)))]
            spliced, targets = splice(kept, table, own[: line.count(IMAGE_INDEX)], marks)
            rows.append(spliced)
            labels.append(targets)
        _check_padded(row, rows, labels, results[f"c{row['id']}.inputs_embeds"])


def _check_padded(row: Mapping[str, Any], rows: list[Tensor], labels: list[Tensor], wanted: Tensor) -> None:
    side, longest = row.get("side", "right"), row.get("maxlen")
    embeddings, mask = pad_rows(rows, side=side, max_length=longest)
    assert torch.equal(embeddings, wanted), row["id"]
    expected = row["expected"]
    if expected["attention_mask"] is not None:
        assert mask.tolist() == expected["attention_mask"], row["id"]
    if expected["position_ids"] is not None:
        assert (mask.cumsum(-1) - 1).clamp(min=0).mul(mask).tolist() == expected["position_ids"], row["id"]
    if expected["labels"] is not None:
        padded = torch.full(mask.shape, IGNORE_INDEX)
        padded[mask.bool()] = torch.cat([line[:longest] for line in labels])
        assert padded.tolist() == expected["labels"], row["id"]


def check_projectors(case: Path) -> None:
    """Every projector type under the original's key names, and those that are refused."""
    expected, weights = _json(case / "expected.json"), load_file(case / "weights.safetensors")
    results, x = load_file(case / "expected.safetensors"), load_file(case / "inputs.safetensors")["x"]
    for kind, keys in expected["keys"].items():
        projector = build_projector(kind, x.shape[-1], results[kind].shape[-1])
        own = {key.removeprefix("model.mm_projector."): weights[f"{kind}/{key}"] for key in keys}
        projector.load_state_dict(own)
        with torch.inference_mode():
            _assert_close(projector(x), results[kind], kind)
    for kind in expected["rejected"]:
        with pytest.raises(UnsupportedError):
            build_projector(kind, 4, 4)
    tower = read_tower_config({"model_type": "clip_vision_model"})
    assert read_settings({}, tower, "vicuna_v1").projector_type == expected["default_when_missing"]


def check_load(case: Path) -> None:
    """Which tower is used with and without `unfreeze_mm_vision_tower`, and projector-only checkpoints."""
    expected, results = _json(case / "expected.json"), load_file(case / "expected.safetensors")
    weights = load_file(case / "weights.safetensors")
    language = {
        key: tensor for key, tensor in weights.items()
        if not key.startswith(("model.vision_tower", "model.mm_projector", "model.image_newline"))
    }  # fmt: skip
    for name in ("flag_absent", "flag_true", "projector_only"):
        with tempfile.TemporaryDirectory() as place:
            folder, base = Path(place) / "checkpoint", Path(place) / "base"
            flag = {"unfreeze_mm_vision_tower": True} if name == "flag_true" else {}
            full = name != "projector_only"
            _write_original(case, folder, weights if full else {}, changes=flag)
            _write_tower(case, folder / "tower", load_file(case / "external_tower.safetensors"))
            if not full:
                _write_original(case, base, language, changes={})
                shutil.copyfile(case / "mm_projector.bin", folder / "mm_projector.bin")
            chat = load_llava(folder, base=None if full else base)
        _checkloaded(chat, case, expected, name, _under(results, f"{name}."))


def _checkloaded(
    chat: LlavaChat, case: Path, expected: Mapping[str, Any], name: str, results: Mapping[str, Tensor]
) -> None:
    picture = _TileMakers(case, chat).picture(0)
    with torch.inference_mode():
        _assert_close(_selected_states(chat, picture.pixels), results["tower_features"], name)
        encoded = _encoded(expected["input_ids"], [picture])
        assert len(chat.module.get_input_embeddings().weight) == expected[name]["embedding_rows"]
        _check_prompt(chat, encoded, expected[name], results)


def check_lora(case: Path) -> None:
    """An unmerged LoRA checkpoint on its base."""
    expected, results = _json(case / "expected.json"), load_file(case / "expected.safetensors")
    base_weights = load_file(case / "base_weights.safetensors")
    merged = merge_lora(base_weights, case / "adapter")
    for key, weight in _under(results, "merged.").items():
        _assert_close(merged[key], weight, key)
    with tempfile.TemporaryDirectory() as place:
        folder, base = Path(place) / "adapter", Path(place) / "base"
        _copy_files(case / "adapter", folder)
        base.mkdir()
        shutil.copyfile(case / "base_config.json", base / "config.json")
        save_file(base_weights, base / "model.safetensors")
        _write_tokenizer(case, base, _json(folder / "config.json"))
        _write_tower(case, Path(place) / "tower", load_file(case / "tower.safetensors"))
        chat = load_llava(folder, base=base, tower=Path(place) / "tower")
    makers = _TileMakers(case, chat)
    with torch.inference_mode():
        _check_pixels(makers, results)
        for number, prompt in enumerate(expected["prompts"]):
            encoded = _encoded(prompt["input_ids"], makers.pictures(_pictures_of(prompt)))
            _check_text(chat, makers, prompt, encoded)
            _check_prompt(chat, encoded, prompt, _under(results, f"p{number}."))


class _TileMakers:
    """The pictures of a case as tiles, in the model's own way or another."""

    def __init__(self, case: Path, chat: LlavaChat) -> None:
        self.case, self.settings = case, chat.settings
        self._pixels = PixelSettings.from_folder(case)

    def picture(self, number: int, **changes: Any) -> ImageTiles:
        with Pictures.open(self.case / f"image{number}.png") as file:
            return TileMaker(replace(self.settings, **changes), self._pixels)(file.convert("RGB"))

    def pictures(self, numbers: Sequence[int]) -> list[ImageTiles]:
        return [self.picture(number) for number in numbers]


def _check_pixels(makers: _TileMakers, tensors: Mapping[str, Tensor]) -> None:
    for key, wanted in tensors.items():
        kind, _, how = key.partition(".")
        if kind == "pixel_values":
            changes = {"image_aspect_ratio": how} if how else {}
            made = torch.cat([makers.picture(n, **changes).pixels for n in range(len(wanted))])
        elif how == "tiles":
            made = makers.picture(int(kind.removeprefix("image"))).pixels
        else:
            continue
        assert made.shape == wanted.shape, key
        assert (made - wanted).abs().max() <= PIXEL_TOLERANCE, key


def _check_tower(chat: LlavaChat, makers: _TileMakers, tensors: Mapping[str, Tensor]) -> None:
    wanted = _under(tensors, "tower.hidden_state_")
    count = len(tensors["image_features"]) if "image_features" in tensors else 0
    if count:
        pixels = torch.cat([makers.picture(number).pixels for number in range(count)])
        _assert_close(chat.tile_features(pixels), tensors["image_features"], "image_features")
    if wanted:
        states = chat.module.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        _assert_close(states[0], wanted["0"], "first hidden state")
        _assert_close(states[-1], wanted["last"], "last hidden state")
        _assert_close(_selected_states(chat, pixels), wanted["selected"], "selected hidden state")


def _check_merging(
    chat: LlavaChat, makers: _TileMakers, expected: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    for key, wanted in tensors.items():
        name, _, what = key.partition(".")
        if what not in ("tile_features", "merged", "merged_flat", "merged_spatial") or name == "single_tile":
            continue
        picture = makers.picture(int(name.removeprefix("image")))
        features = chat.tile_features(picture.pixels)
        merged = {
            "tile_features": lambda f=features: f,
            "merged": lambda p=picture: chat.image_features([p.pixels], [p.size])[0],
            "merged_flat": lambda f=features: join_flat(f),
            "merged_spatial": lambda f=features, p=picture: join_lines(f, tile_grid(p.size, chat.settings)),
        }[what]()
        _assert_close(merged, wanted, key)
    for number, row in enumerate(expected.get("images", ())):
        picture = makers.picture(number)
        assert list(picture.size) == row["size_wh"]
        if "merged_tokens" in row:
            assert len(picture.pixels) == row["num_tiles"]
            assert list(tile_grid(picture.size, chat.settings)) == row["grid_wh"]
            assert chat.feature_count(picture) == row["merged_tokens"]
            assert len(chat.image_features([picture.pixels], [picture.size])[0]) == row["merged_tokens"]
    if "single_tile.merged" in tensors:
        picture = makers.picture(0)
        alone = chat.image_features([picture.pixels[:1]], [picture.size])[0]
        _assert_close(alone, tensors["single_tile.merged"], "single tile")
        without_newline = expected["single_tile"]["tokens_if_passed_as_4d_tensor"]
        assert chat.tile_features(picture.pixels[:1]).shape[1] == without_newline


def _check_text(chat: LlavaChat, makers: _TileMakers, prompt: Mapping[str, Any], encoded: Encoded) -> None:
    """The prompt's text gives its ids, and so do the turns it was laid out from."""
    if "prompt" not in prompt:
        return
    tokenizer = chat.processor.tokenizer
    assert PromptTokenizer(tokenizer).prompt(prompt["prompt"]) == encoded.ids
    if prompt.get("conv") is None:
        return
    settings = replace(chat.settings, template=prompt["conv"])
    processor = LlavaProcessor(tokenizer, settings, pixels=PixelSettings.from_folder(makers.case))
    laid_out = processor.encode(list(_messages(prompt, makers.case)))
    assert laid_out.ids == encoded.ids
    for made, wanted in zip(laid_out.images, encoded.images, strict=True):
        assert torch.equal(made.pixels, wanted.pixels)


def _messages(prompt: Mapping[str, Any], case: Path) -> Iterator[Message]:
    pictures = iter(_pictures_of(prompt))
    for question, answer in prompt["turns"]:
        images = [Image(case / f"image{next(pictures)}.png") for _ in range(question.count("<image>"))]
        yield user(*images, question.replace("<image>", "").strip())
        if answer is not None:
            yield assistant(answer)


def _check_prompt(
    chat: LlavaChat, encoded: Encoded, expected: Mapping[str, Any], results: Mapping[str, Tensor]
) -> None:
    embeddings = chat.embed(encoded)  # [L, D]
    if "sequence_length" in expected:
        assert len(embeddings) == expected["sequence_length"]
    if "inputs_embeds" in results:
        _assert_close(embeddings, results["inputs_embeds"], "inputs_embeds")
    logits = chat.language_model(inputs_embeds=embeddings[None]).logits[0]  # [L, V]
    if "logits" in results:
        _assert_close(logits, results["logits"], "logits")
    if "logits_tail" in results:
        _assert_close(logits[-len(results["logits_tail"]) :], results["logits_tail"], "logits_tail")
    if "logits_lse" in results:
        _assert_close(logits.logsumexp(-1), results["logits_lse"], "logits_lse")
        assert torch.equal(logits.argmax(-1), results["logits_argmax"])
    tokens, last = _greedy(chat, embeddings[None], len(expected["greedy_tokens"]))
    assert tokens == [expected["greedy_tokens"]]
    if "greedy_logits_last" in results:
        _assert_close(last[0], results["greedy_logits_last"], "greedy_logits_last")


def _check_batch(
    chat: LlavaChat, makers: _TileMakers, expected: Mapping[str, Any], results: Mapping[str, Tensor]
) -> None:
    """Prompts of different lengths together say what they say alone.

    Where the original padded on the right, it read the first token of shorter rows from a padded position;
    such rows are compared with what the prompt gives alone.
    """
    batch = expected["batch"]
    alone = [expected["prompts"][number] for number in batch["prompts"]]
    rows = [chat.embed(_encoded(p["input_ids"], makers.pictures(_pictures_of(p)))) for p in alone]
    _, mask = pad_rows(rows, side=batch["padding_side"])
    assert torch.equal(mask, results["attention_mask"].long())
    embeddings, mask = pad_rows(rows, side="left")
    logits = chat.language_model(
        inputs_embeds=embeddings, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0)
    ).logits
    _assert_close(logits[:, -1], results["last_logits"], "batch.last_logits")
    wanted = [
        said if same else prompt["greedy_tokens"]
        for said, same, prompt in zip(
            batch["greedy_tokens"], batch["equals_single_prompt_decoding"], alone, strict=True
        )
    ]
    tokens, _ = _greedy(chat, embeddings, max(map(len, wanted)), mask)
    assert [said[: len(row)] for said, row in zip(tokens, wanted, strict=True)] == wanted


def _greedy(
    chat: LlavaChat, embeddings: Tensor, count: int, mask: Tensor | None = None
) -> tuple[list[list[int]], Tensor]:
    """The likeliest `count` tokens after prompts [B, L, D] one by one, and the logits of the last, [B, V]."""
    model, cache = chat.language_model, DynamicCache()
    mask = torch.ones(embeddings.shape[:2], dtype=torch.long) if mask is None else mask
    positions = (mask.cumsum(-1) - 1).clamp(min=0)  # [B, L]
    inputs: dict[str, Tensor] = {"inputs_embeds": embeddings}
    tokens: list[Tensor] = []
    while True:
        logits = model(**inputs, attention_mask=mask, position_ids=positions, past_key_values=cache,
                       use_cache=True, logits_to_keep=1).logits[:, -1]  # fmt: skip
        tokens.append(logits.argmax(-1, keepdim=True))  # [B, 1]
        if len(tokens) == count:
            return torch.cat(tokens, 1).tolist(), logits
        inputs = {"input_ids": tokens[-1]}
        mask = torch.cat([mask, torch.ones_like(tokens[-1])], 1)
        positions = positions[:, -1:] + 1


def _selected_states(chat: LlavaChat, pixels: Tensor) -> Tensor:
    """What the projector is given, [T, P, W]."""
    seen: list[Tensor] = []
    projector = chat.module.model.multi_modal_projector
    handle = projector.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    chat.tile_features(pixels)
    handle.remove()
    return seen[0]


@contextmanager
def loaded(case: Path) -> Iterator[LlavaChat]:
    """The case's weights as a checkpoint folder of the original's form, loaded."""
    weights = load_file(case / "weights.safetensors")
    tower = _under(weights, TOWER_PREFIX) or _under(weights, MPT_TOWER_PREFIX) or _tower_beside(case)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write_original(case, folder, weights, changes={})
        _write_tower(case, folder / "tower", tower)
        yield load_llava(folder)


def _tower_beside(case: Path) -> dict[str, Tensor]:
    """The tower of a checkpoint that holds none."""
    names = ("tower.safetensors", "external_tower.safetensors")
    return next(load_file(case / name) for name in names if (case / name).is_file())


def _write_original(
    case: Path, folder: Path, weights: Mapping[str, Tensor], changes: Mapping[str, Any]
) -> None:
    config = {**_json(case / "config.json"), **changes, "mm_vision_tower": "tower"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if weights:
        save_file(dict(weights), folder / "model.safetensors")
    _write_tokenizer(case, folder, config)


def _write_tokenizer(case: Path, folder: Path, config: Mapping[str, Any]) -> None:
    """The case's tokenizer; for cases made of raw ids one that fits the vocabulary's size."""
    if (case / "tokenizer").is_dir():
        _copy_files(case / "tokenizer", folder)
        return
    words = {f"w{number}": number for number in range(config["vocab_size"])}
    stub = Tokenizer(models.WordLevel(words, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=stub, bos_token="w1", eos_token="w2").save_pretrained(folder)


def _copy_files(source: Path, folder: Path) -> None:
    """Copy a folder's files without their permissions; reference results may be read-only."""
    folder.mkdir(exist_ok=True)
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)


def _write_tower(case: Path, folder: Path, weights: Mapping[str, Tensor]) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(case / "tower_config.json", folder / "config.json")
    shutil.copyfile(case / "preprocessor_config.json", folder / "preprocessor_config.json")
    save_file({key: tensor.contiguous() for key, tensor in weights.items()}, folder / "model.safetensors")


def _encoded(ids: Sequence[int], pictures: Sequence[ImageTiles]) -> Encoded:
    return Encoded(tuple(ids), (False,) * len(ids), tuple(pictures))


def _pictures_of(prompt: Mapping[str, Any]) -> list[int]:
    """Numbers of a prompt's pictures: a list, one number, or the first picture if nothing is said."""
    said = prompt.get("images", prompt.get("image"))
    if said is None:
        return [0] * list(prompt["input_ids"]).count(IMAGE_INDEX)
    return [said] if isinstance(said, int) else list(said)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def _assert_close(actual: Tensor, expected: Tensor, name: str) -> None:
    assert actual.shape == expected.shape, name
    worst = float((actual - expected).abs().max())
    assert worst <= TOLERANCE * float(expected.abs().max()), (name, worst)


def _json(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "llava/chat": check_chat,
    "llava/load": check_load,
    "llava/lora": check_lora,
    "llava/projectors": check_projectors,
    "llava/splice": check_splice,
}
