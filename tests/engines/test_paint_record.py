"""Recipes as JSON: whole again, or refused with a reason, whatever stands in them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canvas.examples import canvases
from engines.painting import CANVAS, QUICK, recipe
from gesso.core.errors import (
    CanvasError,
    ConfigError,
    GessoError,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)
from gesso.diffusion.settings import Hires
from gesso.engines.paint_record import MAX_LAYERS, MadeWith, PaintRecipe, model_told

FULL = recipe(
    settings=replace(QUICK, seed=4),
    loras=(("ink.safetensors", 0.5),),
    before=recipe(settings=replace(QUICK, strength=0.5), start="canvas", made_with=MadeWith(threads=2)),
    start="picture",
    source="0123",
    boxes=((0, 30, 0, 45),),
    feather=4,
    wish="a fish 🐟 \ud800",
    made_with=MadeWith(torch="2.13", device="cuda", vram=8),
)
DATA = json.loads(json.dumps(FULL.to_dict()))


def read(**changes: Any) -> PaintRecipe:
    return PaintRecipe.from_dict({**deepcopy(DATA), **changes})


def nested(times: int) -> dict[str, Any]:
    data = deepcopy(DATA["before"])
    for _ in range(times):
        data = {**DATA, "before": data}
    return data


@given(canvas=canvases(), hires=st.none() | st.builds(Hires), number=st.integers(0, 2))
def test_a_recipe_comes_back_whole(canvas: Any, hires: Hires | None, number: int) -> None:
    made = recipe(canvas=canvas, settings=replace(QUICK, hires=hires, batch=3), number=number)
    assert PaintRecipe.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert PaintRecipe.from_dict(DATA) == FULL


def test_history_size_and_settings_of_one_picture() -> None:
    assert FULL.history == (FULL.before, FULL)
    assert FULL.size == (48, 32)
    assert recipe(settings=replace(QUICK, hires=Hires(scale=4))).size == (192, 128)
    of_batch = recipe(settings=replace(QUICK, batch=3, seed=5), number=2)
    assert of_batch.alone == replace(QUICK, seed=7)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"form": 2}, UnsupportedError, "a recipe of form 2 came; this version of gesso reads form 1"),
        ({"form": "1" * 9999}, UnsupportedError, r"form '1+\.\.\.1+' came"),
        ({"stile": "tags"}, ConfigError, r"unknown setting recipe\.stile; did you mean style"),
        ({"x\x1b[2J" * 50: 1}, ConfigError, r"unknown setting recipe\.'x\\x1b.*\.\.\..*known: canvas"),
        ({"style": "tagz"}, UnknownNameError, "did you mean tags"),
        ({"wish": 3}, ConfigError, r"recipe\.wish is 3; it must be str"),
        ({"painter": ["x" * 9999]}, ConfigError, r"recipe\.painter is \['x+\.\.\.x+'\]; it must be str"),
        ({"start": "end"}, ConfigError, "allowed: noise, canvas, picture"),
        ({"number": 1}, UsageError, "number is 1; it must be below the batch, 1"),
        ({"loras": [["a"]]}, ConfigError, r"loras\[0\] is \['a'\]; it must have 2 entries"),
        ({"loras": "ink"}, ConfigError, r"loras is 'ink'; it must be a list"),
        ({"boxes": [[0, 9, 0]]}, ConfigError, r"boxes\[0\] is \[0, 9, 0\]; it must have 4 entries"),
        ({"boxes": [[9, 0, 0, 9]]}, UsageError, "box is"),
        ({"boxes": []}, UsageError, "no box came"),
        ({"before": None}, UsageError, "without a picture before"),
        ({"feather": -1}, UsageError, "feather is -1"),
        ({"feather": 10**9}, UsageError, "0 to 32 pixels"),
        ({"made_with": {"threads": "two"}}, ConfigError, r"made_with\.threads is 'two'; it must be int"),
        ({"made_with": []}, ConfigError, "must be a group of settings"),
        ({"canvas": {}}, CanvasError, "lacks the key 'background'"),
        ({"settings": {"size": [1]}}, ConfigError, r"size is \[1\]; it must have 2 entries"),
        ({"settings": {"sampler": "x"}}, UnknownNameError, "unknown sampler"),
        ({"settings": {"hires": {"scale": 9}}}, UsageError, "hires scale is 9"),
    ],
)
def test_what_does_not_fit_is_refused_in_few_words(changes: dict, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told) as refused:
        read(**changes)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize("data", [None, [], "x" * 9999, 3, {}])
def test_what_is_no_recipe_is_refused(data: Any) -> None:
    with pytest.raises(UnsupportedError, match="this version of gesso reads form 1"):
        PaintRecipe.from_dict(data)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ConfigError, match=r"setting recipe\.painter is missing"):
        PaintRecipe.from_dict({name: value for name, value in DATA.items() if name != "painter"})


def test_parts_may_be_painted_anew_many_times_but_not_without_end() -> None:
    last = PaintRecipe.from_dict(nested(MAX_LAYERS - 1))
    assert len(last.history) == MAX_LAYERS
    for times in (MAX_LAYERS, 5000):
        with pytest.raises(UnsupportedError, match="begin a new picture from it"):
            PaintRecipe.from_dict(nested(times))
    with pytest.raises(UnsupportedError, match="painted anew 64 times or more"):
        replace(FULL, before=last)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
    | st.sampled_from([10**400, "noise", "picture", "tags", "gradient", [0, 9, 0, 9], {"form": 1}]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.lists(st.tuples(st.sampled_from(list(places(DATA))), ANYTHING, st.booleans()), max_size=3))
@example(changes=[(("made_with", "threads"), True, False)])
def test_any_recipe_is_read_or_refused(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
    data = {"top": deepcopy(DATA)}
    for path, value, gone in changes:
        change(data, ("top", *path), value, gone)
    with suppress(GessoError):
        found = PaintRecipe.from_dict(data.get("top"))
        again = PaintRecipe.from_dict(json.loads(json.dumps(found.to_dict())))
        assert again.to_dict() == found.to_dict()


def change(data: Any, path: tuple[Any, ...], value: Any, gone: bool) -> None:
    """Put a value where a path leads, or take away what is there; an earlier change may have cut the path."""
    *parents, last = path
    try:
        for key in parents:
            data = data[key]
        if gone:
            del data[last]
        else:
            data[last] = value
    except (LookupError, TypeError):
        return


def test_models_are_told_with_their_loras() -> None:
    assert model_told("tiny", (("ink", 0.5), ("b\n", -1)), "w") == (
        r"'tiny' + 'ink' at 0.5 + 'b\n' at -1 (weights 'w')"
    )


def test_what_is_different_now_is_named() -> None:
    assert MadeWith(torch="2", threads=1).differences(MadeWith(torch="2", threads=2, device="cpu")) == [
        "device",
        "threads",
    ]


def test_the_canvas_is_kept_as_it_is() -> None:
    assert PaintRecipe.from_dict(DATA).canvas == CANVAS
