"""Checks of canvases against the original's: boxes, spelling, programs, and prompts in windows."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image as Pictures
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from gesso.canvas.canvas import Canvas, Region
from gesso.canvas.colours import COLOURS
from gesso.canvas.layout import canvas_picture, region_masks
from gesso.canvas.parse import Reading, read_canvas
from gesso.canvas.prompts import WindowIds, greedy_bags, token_windows
from gesso.canvas.spelling import nearest
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.errors import CanvasError

__all__ = ["CHECKS"]

NOT_FOUND: Final = ("no_code_block", "no_canvas_statement")
"""What stops the original, but need not stop gesso, which also finds programs it does not."""


def check_boxes(case: Path) -> None:
    """Every box of every combination, and the colours."""
    expected = _json(case)
    assert list(LOCATIONS) == expected["locations"]
    assert list(OFFSETS) == expected["offsets"]
    assert list(AREAS) == expected["areas"]
    found = [
        [list(_region(location, offset, area).box) for area in AREAS]
        for location in LOCATIONS
        for offset in OFFSETS
    ]
    assert found == expected["boxes"]
    assert {name: list(rgb) for name, rgb in COLOURS.items()} == expected["colors"]


def check_lookup(case: Path) -> None:
    """Every spelling, corrected or refused."""
    for kind, came, used in json.loads((case / "expected.json").read_text("utf-8")):
        field = "colour" if kind == "color" else kind
        if used is None:
            with pytest.raises(CanvasError, match="near no known one"):
                nearest(field, came)
        else:
            assert nearest(field, came) == used, (kind, came)


def check_programs(case: Path) -> None:
    """Every program: the same canvas as the original's, or a refusal where one is right.

    By the published rules gesso refuses whatever stops the original. What needs more of Python than a canvas
    (`subset` "expr" and "general") or is unbounded ("limit") may be refused where the original accepts it.
    """
    programs = {program["id"]: program for program in _json(case)["programs"]}
    first = next(program["response"] for program in programs.values() if program["response"])
    for name, program in programs.items():
        text = program["response"] or _by_rule(program["response_rule"], first)
        for published in (True, False):
            found = _read(text, published=published)
            _check_outcome(found, program, published=published, name=name)
            if isinstance(found, Reading) and program["expected"]["outcome"] == "ok":
                _check_canvas(found, program["expected"], name)
                _check_picture(found.canvas, program["expected"], case)


def check_windows(case: Path) -> None:
    """The token ids of every window of both tokenizers; an empty bag gives one window of the prefix."""
    expected, tensors = _json(case), load_file(case / "expected.safetensors")
    tables = [_window_ids(case / folder) for folder in ("tokenizer", "tokenizer_2")]
    for entry in expected["cases"]:
        windows = token_windows(entry["prefixes"], entry["suffixes"], tables)
        for number, found in enumerate(windows, 1):
            assert np.array_equal(np.array(found), tensors[f"{entry['id']}.windows_{number}"]), entry["id"]
        prefix, lengths = sum(entry["prefix_lengths"]), [min(75, n) for n in entry["suffix_lengths"]]
        assert len(greedy_bags(75 - prefix, lengths)) == entry["windows"], entry["id"]
    assert [len(windows) for windows in token_windows(["A prefix."], [], tables)] == [1, 1]


def _read(text: str, *, published: bool) -> Reading | CanvasError:
    try:
        return read_canvas(text, published=published)
    except CanvasError as error:
        return error


def _check_outcome(
    found: Reading | CanvasError, program: dict[str, Any], *, published: bool, name: str
) -> None:
    expected, refused = program["expected"], isinstance(found, CanvasError)
    if expected["outcome"] == "ok":
        assert not refused or program["subset"] != "literal", (name, found)
    elif published or expected.get("error_class") not in NOT_FOUND:
        assert refused, name


def _check_canvas(found: Reading, expected: dict[str, Any], name: str) -> None:
    canvas = found.canvas
    assert [[c.came.lower(), c.used] for c in found.corrections] == expected["corrections"], name
    ground = canvas.background
    assert {
        "color": list(ground.rgb), "prefixes": list(ground.prefixes), "suffixes": list(ground.suffixes)
    } == expected["global"]  # fmt: skip
    components = [
        {
            "rect": list(region.box),
            "distance_to_viewer": region.distance_to_viewer,
            "color": list(region.rgb),
            "prefixes": list(region.prefixes(ground)),
            "suffixes": list(region.suffixes),
        }
        for region in canvas.by_depth
    ]
    if isinstance(expected["components"], list):  # else there are too many to list
        assert components == expected["components"], name
    conditions = [
        {
            "mask_sum": float(mask.sum()),
            "mask_sha256": sha256(mask.tobytes()).hexdigest(),
            "prefixes": list(condition.prefixes),
            "suffixes": list(condition.suffixes),
        }
        for condition, mask in zip(canvas.conditions, region_masks(canvas), strict=True)
    ]
    if isinstance(expected["conditions"], list):
        assert conditions == expected["conditions"], name


def _check_picture(canvas: Canvas, expected: dict[str, Any], case: Path) -> None:
    picture = canvas_picture(canvas)
    assert list(picture.shape) == expected["initial_latent_shape"]
    assert str(picture.dtype) == expected["initial_latent_dtype"]
    assert sha256(picture.tobytes()).hexdigest() == expected["initial_latent_sha256"]
    if "initial_latent_png" in expected:
        stored = Pictures.open(case / expected["initial_latent_png"]).convert("RGB")
        assert np.array_equal(picture, np.asarray(stored))


def _by_rule(rule: str, program: str) -> str:
    """A text too long to be stored, from the rule that describes it."""
    begin = "canvas = Canvas()\n"
    if nesting := re.search(r"(\d+) opening parentheses", rule):
        depth = int(nesting[1])
        return program.replace(begin, f"{begin}\nx = {'(' * depth}1{')' * depth}\n", 1)
    count = int(re.match(r"\d+", rule)[0])  # the only other rule repeats a region
    start = program.index("canvas.add_local_description")
    region = program[start : program.index("\n)\n", start) + 3]
    text = re.search(r"(?<= )description='([^']*)'", region)[1]
    return program[:start] + "".join(region.replace(text, f"Thing {i}.") for i in range(count)) + "```"


def _region(location: str, offset: str, area: str) -> Region:
    return Region(location, offset, area, 1.0, "", (), "", "", "", "", "red")


def _window_ids(folder: Path) -> WindowIds:
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def tokenize(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    return WindowIds(tokenize, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)


def _json(case: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((case / "expected.json").read_text("utf-8"))
    return loaded


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "omost/canvas-boxes": check_boxes,
    "omost/canvas-lookup": check_lookup,
    "omost/canvas-programs": check_programs,
    "omost/prompt-bags": check_windows,
}
