"""Checks of Mini-Gemini's inputs against the original's: templates, pixels, labels, markers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from PIL import Image as Pictures
from safetensors.torch import load_file
from transformers import AutoTokenizer

from gesso.core.errors import UnknownNameError
from gesso.core.messages import Image, Message, assistant, user
from gesso.models.mgm.drawing import NEGATIVE_PROMPT, asked_to_draw, drawing_prompt, with_read_text
from gesso.models.mgm.preprocess import SquareMaker
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.mgm.settings import MgmSettings
from gesso.models.mgm.views import views_of
from gesso.models.pixels import PixelSettings
from gesso.models.rendering import render
from gesso.models.templates import TEMPLATES, get_template

__all__ = ["CHECKS"]

DOT: Final = Pictures.new("RGB", (2, 2))
PIXEL_TOLERANCE: Final = 1e-6
UNPUBLISHED: Final = ("phi_2", "imgsp_v1")
"""Templates of models that were never published; gesso leaves them out."""

RENAMED: Final = {"mistral_instruct": "mixtral_instruct"}
"""Names that LLaVA has for templates of its own."""


def check_images(case: Path) -> None:
    """Pictures of many shapes and modes to both resolutions; files of frames, which no program reads, not."""
    tensors = load_file(case / "expected.safetensors")
    for number, variant in enumerate(_json(case, "case")["variants"]):
        grid, whole = variant["image_grid"], variant["image_global"]
        settings = MgmSettings(
            image_size=variant["low_res"],
            patch_size=variant["low_res"] // 2,
            image_size_aux=variant["high_res"],
            image_grid=grid,
            image_global=whole,
            # anything but "pad" means no padding
            image_aspect_ratio="pad" if variant["image_aspect_ratio"] == "pad" else "square",
        )
        make = SquareMaker(settings, PixelSettings())
        made = [make(Pictures.open(case / file).convert("RGB")).pixels for file in variant["files"]]
        pixels = torch.cat(made)
        views = views_of(pixels, settings.image_size, grid, whole=whole)
        _close(views if grid > 1 else views[:, 0], tensors[f"v{number}_images"], number)
        if not variant.get("skip_aux"):
            _close(pixels, tensors[f"v{number}_images_aux"], number)


def _close(actual: torch.Tensor, expected: torch.Tensor, name: Any) -> None:
    assert actual.shape == expected.shape, name
    assert (actual - expected).abs().max() <= PIXEL_TOLERANCE, name


def check_templates(case: Path) -> None:
    """Prompts of every published template, but for those the original itself cannot lay out."""
    texts = _json(case, "case")["texts"]
    for theirs, entry in _json(case, "expected")["templates"].items():
        name = RENAMED.get(theirs, theirs)
        if name in UNPUBLISHED:
            with pytest.raises(UnknownNameError):
                get_template(name)
            continue
        if "same_as" in entry:
            assert get_template(name) is get_template(entry["same_as"])
            continue
        for situation, prompt in entry["prompts"].items():
            messages = _situation(name, situation, texts)
            if messages and isinstance(prompt, str):
                pieces = render(
                    get_template(name), messages, add_generation_prompt=messages[-1].role == "user"
                )
                laid_out = "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)
                assert laid_out == prompt, (name, situation)


def _situation(name: str, situation: str, texts: dict[str, Any]) -> list[Message]:
    """The conversation of a situation; none where it is no conversation, or has its tags written by hand."""
    questions, answers = texts["q"], texts["a"]
    turns = 3 if "three_turns" in situation else 1
    pictures = 2 if "two_pictures" in situation else int("picture" in situation)
    closed = situation.endswith("closed")
    if situation.startswith(("empty", "open_user", "ocr", "generation")) or (
        pictures and (TEMPLATES[name].around_picture[0] or TEMPLATES[name].example)
    ):
        return []
    asked = questions[1:] if situation == "two_pictures_open" else questions
    messages: list[Message] = []
    for turn in range(turns):
        shown = [Image(DOT)] * (pictures if turn == 0 else 0)
        messages += [user(*shown, asked[turn])]
        messages += [assistant(answers[turn])] if closed or turn + 1 < turns else []
    return messages


def check_draw_and_ocr(case: Path) -> None:
    """Prompts of the chat program with both markers, and what its answers have painted.

    Known and intended differences:
    - an empty prompt for SDXL, from markers in disorder, paints nothing;
    - a placeholder that a user writes stands for its letters;
    - the 8B speaks Llama 3's template, whatever its folder is called.
    """
    for row in _json(case, "expected")["chat_program"]:
        given, out = row["in"], row["out"]
        if "prompts" not in out or "<image>" in given["lines"][0]:
            continue
        if "8B" in given["model_path"] and "conv_mode" not in given:
            continue
        prompts, drawn = _chat(given)
        assert prompts == out["prompts"], given
        events = [event for event in out["events"] if "sdxl_prompt" in event]
        assert drawn == [event["sdxl_prompt"] for event in events if event["sdxl_prompt"].strip()], given
        assert {event["negative_prompt"] for event in events} <= {NEGATIVE_PROMPT}


def _chat(given: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The prompts of a conversation as gesso lays them out, and the pictures that its answers ask for."""
    template = get_template(given.get("conv_mode") or _template_of(given["model_path"]))
    pages = given.get("ocr_result") or [None]
    lines = [(line[1][0], line[1][1]) for line in pages[0] or ()]
    messages: list[Message] = []
    prompts, drawn = [], []
    for turn, (line, answer) in enumerate(zip(given["lines"], given["model_outputs"], strict=True)):
        text = with_read_text(line, lines) if given.get("ocr") else line
        text = asked_to_draw(text) if given.get("gen") else text
        pictures = [Image(DOT) for _ in given.get("images", ())] if turn == 0 else []
        messages.append(user(*pictures, text))
        pieces = render(template, messages, add_generation_prompt=True, number_pictures=True,
                        mark_pictures=given.get("mm_use_im_start_end", False))  # fmt: skip
        prompts.append("".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces))
        messages.append(assistant(answer))
        prompt = drawing_prompt(answer) if given.get("gen") else None
        drawn += [prompt] if prompt is not None else []
    return prompts, drawn


def _template_of(path: str) -> str:
    """The original's choice by the folder's name, which its stub models have nothing else to go by."""
    names = {"8x7b": "mixtral_instruct", "34b": "chatml_direct", "2b": "gemma"}
    return next((template for part, template in names.items() if part in path.lower()), "vicuna_v1")


def check_label_masks(case: Path) -> None:
    """Training ids of every version, and labels wherever the original's are sound.

    Known and intended differences:
    - where the original prints a mismatch warning it masks the whole sample; gesso labels it like any other;
    - control tokens that a user or an answer spells out are letters to gesso;
    - two pictures of one turn keep a place each; the original's collapse to one.
    """
    description = _json(case, "case")
    for entry in _json(case, "expected"):
        tokenizer = AutoTokenizer.from_pretrained(case / "tokenizers" / entry["tokenizer"])
        # the original's run left its tokenizer without <im_start> and <im_end>, which so became letters
        settings = MgmSettings(
            template=RENAMED.get(entry["version"], entry["version"]),
            use_im_start_end=entry["mm_use_im_start_end"],
            image_size=8,
            patch_size=4,
            image_size_aux=16,
            max_length=10**6,
        )
        processor = MgmProcessor(tokenizer, settings)
        plain = entry["version"] == "plain"
        records = description["records_plain_version" if plain else "records"]
        for record, sample in zip(records, entry["samples"], strict=True):
            _check_sample(processor, record, sample, entry["model_max_length"])


def _check_sample(
    processor: MgmProcessor, record: dict[str, Any], sample: dict[str, Any], longest: int
) -> None:
    messages = list(_messages(record))
    words = [part for message in messages for part in message.text.split()]
    if any(token.content in word for token in processor.tokenizer.added_tokens_decoder.values()
           for word in words):  # fmt: skip
        return
    encoded = processor.encode(messages, add_generation_prompt=False)
    # the original cuts text-only samples here, those with pictures later
    cut = None if "image" in record else longest
    name = (processor.template.name, record["id"], longest)
    assert list(encoded.ids[:cut]) == sample["input_ids"], name
    if sample["printed"]:
        assert any(encoded.supervised), name
        return
    learned = [label != -100 for label in sample["labels"]]
    assert list(encoded.supervised[:cut]) == learned, name


def _messages(record: dict[str, Any]) -> Iterator[Message]:
    """A record's turns; an answer that comes first is dropped, as by the original."""
    turns = record["conversations"]
    for turn in turns[1:] if turns[0]["from"] == "gpt" else turns:
        text, pictured = turn["value"], "image" in record and "<image>" in turn["value"]
        if pictured:
            text = text.replace("<image>", "").strip()
        content = [*([Image(DOT)] if pictured else []), text]
        yield user(*content) if turn["from"] == "human" else assistant(*content)


def _json(case: Path, name: str) -> Any:
    return json.loads((case / f"{name}.json").read_text("utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "mgm/draw-and-ocr": check_draw_and_ocr,
    "mgm/image-processing": check_images,
    "mgm/label-masks": check_label_masks,
    "mgm/templates": check_templates,
}
