"""Checks of LLaVA's inputs against the original's: templates, tokens, pixels, geometry, labels."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gesso.core.errors import UsageError
from gesso.core.messages import Image, Message, assistant, user
from gesso.models.base import Encoded
from gesso.models.llava.anyres import best_canvas, image_token_count, placement, tile_grid, unpadded
from gesso.models.llava.preprocess import TileMaker, lay_on_canvas
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.pixels import PixelSettings, pad_to_square
from gesso.models.rendering import render
from gesso.models.templates import TEMPLATES, get_template, template_name_for
from gesso.models.tokens import PromptTokenizer

__all__ = ["CHECKS"]

DOT: Final = Pictures.new("RGB", (2, 2))


def check_templates(case: Path) -> None:
    """Every prompt and stop text of every template."""
    expected = _json(case)
    for key, entry in expected["templates"].items():
        template = get_template(key)
        if "alias_of" in entry:
            assert template is get_template(entry["alias_of"])
            continue
        # "plain" has a stop text in the command line only
        assert template.stop in (entry["stop_string_web"], entry["stop_string_cli"]), key
        for name, prompt in entry["prompts"].items():
            if isinstance(prompt, str):  # else the original crashes, on a request that is sound
                turns, _, how = name.rpartition("/")
                assert _prompt(key, expected["turn_sets"][turns], how, prompt) == prompt, (key, name)


def _prompt(key: str, turns: list[list[str | None]], how: str, expected: str) -> str:
    """A prompt laid out by gesso as the original's front ends would have it.

    The web demo gives a picture a turn of its own under mmtag templates. Under every template, "inline" and
    "start_end" write their tags by hand, so under mmtag templates they stand for plain text.
    """
    messages = []
    for index, (question, answer) in enumerate(turns):
        content = [] if how == "none" or index else [Image(DOT)]
        messages.append(user(*content, question or ""))
        messages += [assistant(answer)] if answer is not None else []
    template = get_template(key)
    if template.around_picture[0] and how.startswith("tuple"):
        first = messages[0].text
        messages[:1] = [user(Image(DOT)), assistant("Received."), user(first)]
    elif template.around_picture[0] and how != "none":
        tag = "<im_start><image><im_end>" if how == "start_end" else "<image>"
        messages[0] = user(f"{tag}\n{messages[0].text}")
    elif how == "tuple" and template.example:  # the demo's reordering only looks at the first turn of all
        messages[0] = user(f"{messages[0].text}\n<image>")
    pieces = render(template, messages, add_generation_prompt=messages[-1].role == "user",
                    mark_pictures=how == "start_end")  # fmt: skip
    return "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)


def check_tokenize(case: Path) -> None:
    """Token ids of prompts with pictures, and the template chosen by a checkpoint's name.

    The case also holds results of the original's keyword criterion, which no script of it uses any more;
    gesso stops on text instead.
    """
    expected = _json(case)
    for kind, entry in expected["tokenizers"].items():
        tokenizer = AutoTokenizer.from_pretrained(case / f"tokenizer_{kind}")
        tokens = PromptTokenizer(tokenizer)
        for row in entry["rows"]:
            assert list(tokens.prompt(row["prompt"])) == row["tokenizer_image_token"], (kind, row["prompt"])
            assert list(tokens.prompt(row["prompt"], picture="\0")) == row["plain_tokenizer"], row["prompt"]
        tokenizer.add_tokens(list(entry["added"]), special_tokens=True)
        assert {token: tokenizer.convert_tokens_to_ids(token) for token in entry["added"]} == entry["added"]
        tokens = PromptTokenizer(tokenizer)
        for row in entry["rows_with_added_tokens"]:
            assert list(tokens.prompt(row["prompt"])) == row["tokenizer_image_token"], (kind, row["prompt"])
    for row in expected["model_names"]:
        name = template_name_for(row["path"])
        assert name == row["conv_mode_cli_and_run_llava"], row["path"]
        assert name in TEMPLATES


def check_image_processing(case: Path) -> None:
    """Pixels under every aspect ratio, bit for bit."""
    expected, tensors = _json(case), load_file(case / "expected.safetensors")
    pixels = PixelSettings.from_folder(case)
    canvases = tuple((width, height) for width, height in expected["pinpoints"])
    common: dict[str, Any] = {"image_size": expected["tile"], "image_grid_pinpoints": canvases}
    makers = {ratio: TileMaker(LlavaSettings(image_aspect_ratio=ratio, **common), pixels)
              for ratio in ("pad", "square", "anyres")}  # fmt: skip
    makers["pad336"] = TileMaker(LlavaSettings(image_aspect_ratio="pad", image_size=336))
    for row in expected["images"]:
        _check_image(case, row, makers, tensors, canvases, tuple(expected["fill_rgb"]))


def _check_image(
    case: Path,
    row: dict[str, Any],
    makers: dict[str, TileMaker],
    tensors: dict[str, Tensor],
    canvases: tuple[tuple[int, int], ...],
    fill: tuple[int, ...],
) -> None:
    name = Path(row["file"]).stem
    image = Pictures.open(case / row["file"]).convert("RGB")
    assert list(image.size) == row["size_wh"]
    square = pad_to_square(image, fill)
    canvas = lay_on_canvas(image, best_canvas(image.size, canvases))
    assert (list(square.size), list(canvas.size)) == (row["expand2square_size"], row["anyres_best_wh"])
    for picture, total, stored in ((square, "expand2square_sum", "expand2square"),
                                   (canvas, "anyres_canvas_sum", "anyres_canvas")):  # fmt: skip
        assert int(np.asarray(picture, dtype=np.int64).sum()) == row[total]
        if (case / f"{name}.{stored}.png").exists():
            assert picture.tobytes() == Pictures.open(case / f"{name}.{stored}.png").convert("RGB").tobytes()
    made = {ratio: maker(image).pixels for ratio, maker in makers.items()}
    assert list(made["anyres"].shape) == row["anyres_shape"]
    assert made["anyres"].mean().item() == pytest.approx(row["anyres_mean"], abs=1e-6)
    assert made["pad336"].mean().item() == pytest.approx(row["pad336_mean"], abs=1e-6)
    assert made["pad336"].std().item() == pytest.approx(row["pad336_std"], abs=1e-5)
    made |= {
        "pad": made["pad"][0],
        "square": made["square"][0],
        "pad336_every12": made["pad336"][0, :, ::12, ::12],
    }
    for ratio in ("pad", "square", "anyres", "pad336_every12"):
        if f"{name}.{ratio}" in tensors:
            assert torch.equal(made[ratio], tensors[f"{name}.{ratio}"]), (name, ratio)


def check_anyres_table(case: Path) -> None:
    """Canvas, tiles, placement and number of tokens of many sizes."""
    for name, table in _json(case)["tables"].items():
        tile, side = table["tile"], table["patches_per_side"]
        settings = LlavaSettings(
            image_aspect_ratio="anyres",
            patch_merge_type="spatial_unpad",
            image_grid_pinpoints=tuple((width, height) for width, height in table["pinpoints"]),
            image_size=tile,
            patch_size=tile // side,
        )
        for row in table["rows"]:
            size = (row["size_wh"][0], row["size_wh"][1])
            canvas = best_canvas(size, settings.image_grid_pinpoints)
            columns, rows = tile_grid(size, settings)
            fitted, corner = placement(size, canvas)
            kept = unpadded(size, (columns * side, rows * side))
            tiles = 1 + columns * rows
            found = {
                "size_wh": [*size],
                "best_wh": [*canvas],
                "grid_wh": [columns, rows],
                "resized_wh": [*fitted],
                "paste_xy": [*corner],
                "num_tiles": tiles,
                "unpadded_hw": [part.stop - part.start for part in kept],
                "image_tokens": image_token_count(size, tiles, settings),
            }
            assert found == row, (name, size)


def check_label_masks(case: Path) -> None:
    """Training ids of every version, and labels wherever the original's are sound.

    Known and intended differences, in labels only:
    - mpt and chatml masks of the original drift or vanish; gesso supervises answers and their end tokens.
    - where the original prints a mismatch warning it masks the whole sample; gesso labels it like any other.
    - its version-0 routine trains a text that is no template's, with masks that drift; gesso leaves it out.
    """
    expected = _json(case)
    for run in expected["runs"]:
        template = run["default_conversation"][0]
        if template in ("llava_v0", "v0_mmtag"):
            continue
        tokenizer = AutoTokenizer.from_pretrained(case / f"tokenizer_{run['tokenizer']}")
        if run["mm_use_im_start_end"]:
            tokenizer.add_tokens(["<im_start>", "<im_end>"], special_tokens=True)
        settings = LlavaSettings(template=template, use_im_start_end=run["mm_use_im_start_end"],
                                 image_size=16, max_length=10**6)  # fmt: skip
        for row in run["rows"]:
            sample = expected["samples"][row["sample"]]
            _check_labels(LlavaProcessor(tokenizer, settings), sample, row, run["model_max_length"])
    _check_datasets(case, expected["datasets"])


def _check_labels(
    processor: LlavaProcessor, sample: dict[str, Any], row: dict[str, Any], longest: int
) -> None:
    messages = list(_messages(sample, DOT))
    if "error" in row:
        with pytest.raises(UsageError):
            processor.encode(messages, add_generation_prompt=False)
        return
    encoded = processor.encode(messages, add_generation_prompt=False)
    # the original cuts text-only samples here, those with pictures later
    cut = None if "image" in sample else longest
    assert list(encoded.ids[:cut]) == row["input_ids"], (processor.template.name, sample["id"])
    end = processor.template.around_answer[1] or ""
    if processor.template.opening.startswith("<|im_start|>") or "mismatch_warning" in row:
        said = "".join(f"{message.text}{end}" for message in messages if message.role == "assistant")
        assert _supervised_text(processor.tokenizer, encoded) == said.replace(" ", "")
        return
    spans = [(start, stop) for start, stop in row["label_spans"]]
    wanted = [any(start <= i < stop for start, stop in spans) for i in range(len(row["input_ids"]))]
    assert list(encoded.supervised[:cut]) == wanted, (processor.template.name, sample["id"])


def _check_datasets(case: Path, datasets: list[dict[str, Any]]) -> None:
    tensors = load_file(case / "expected.safetensors")
    for entry in datasets:
        tokenizer = AutoTokenizer.from_pretrained(case / f"tokenizer_{entry['tokenizer']}")
        settings = LlavaSettings(template=entry["version"], image_aspect_ratio=entry["image_aspect_ratio"],
                                 image_size=entry["image_processor"]["crop"])  # fmt: skip
        pixels = PixelSettings(shortest_edge=entry["image_processor"]["shortest_edge"])
        processor = LlavaProcessor(tokenizer, settings, pixels=pixels)
        for index, sample in enumerate(entry["data"]):
            picture = Pictures.open(case / sample["image"]).convert("RGB") if "image" in sample else DOT
            encoded = processor.encode(list(_messages(sample, picture)), add_generation_prompt=False)
            length = min(len(encoded.ids), entry["model_max_length"])
            labels = [
                i if marked else -100 for i, marked in zip(encoded.ids, encoded.supervised, strict=True)
            ]
            name = f"d{entry['id']}"
            assert tensors[f"{name}.input_ids"][index, :length].tolist() == list(encoded.ids[:length])
            assert tensors[f"{name}.labels"][index, :length].tolist() == labels[:length]
            assert int(tensors[f"{name}.attention_mask"][index].sum()) == length
            for tiles in encoded.images:
                assert torch.equal(tiles.pixels[0], tensors[f"{name}.images"][index])


def _messages(sample: dict[str, Any], picture: Pictures.Image) -> Iterator[Message]:
    """A sample of the original's data format; it drops an answer that comes first, as the original does."""
    turns = sample["conversations"]
    for turn in turns[1:] if turns[0]["from"] == "gpt" else turns:
        text, has_image = turn["value"], "image" in sample and "<image>" in turn["value"]
        if has_image:
            text = text.replace("<image>", "").strip()
        content = [*([Image(picture)] if has_image else []), *([text] if text else [])]
        yield user(*content) if turn["from"] == "human" else assistant(*content)


def _supervised_text(tokenizer: PreTrainedTokenizerBase, encoded: Encoded) -> str:
    ids = [i for i, marked in zip(encoded.ids, encoded.supervised, strict=True) if marked]
    return str(tokenizer.decode(ids)).replace(" ", "")


def _json(case: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((case / "expected.json").read_text("utf-8"))
    return loaded


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "llava/anyres-table": check_anyres_table,
    "llava/image-processing": check_image_processing,
    "llava/label-masks": check_label_masks,
    "llava/templates": check_templates,
    "llava/tokenize": check_tokenize,
}
