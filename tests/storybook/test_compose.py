import ast
from dataclasses import asdict, replace
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.errors import UnknownNameError
from gesso.storybook.compose import EDIT_KINDS, canvas_program, edit
from gesso.storybook.scene import COLOURS, Scene, Thing, sample_scene
from gesso.storybook.splits import ALL_PAIRS, SPLITS, scenes, split_of
from gesso.storybook.words import LANGUAGES, words_of

LOCAL_ARGUMENTS = [
    "location", "offset", "area", "distance_to_viewer", "description", "detailed_descriptions", "tags",
    "atmosphere", "style", "quality_meta", "HTML_web_color_name",
]  # fmt: skip

CAT = Thing("cat", "red", "plain", None, "small", "on the left", "no offset", 2.0, "AB1")
DOG = Thing("dog", "red", "striped", "blue", "large", "on the top", "no offset", 3.5)
SCENE = Scene(1, "sea", (CAT, DOG))


def _calls(program: str) -> list[tuple[str, dict[str, object]]]:
    """Method and arguments of each call, after the fence and `canvas = Canvas()`."""
    assert program.startswith("```python\ncanvas = Canvas()\n")
    assert program.endswith("\n```")
    body = ast.parse(program.removeprefix("```python\n").removesuffix("\n```")).body[1:]
    calls = []
    for statement in body:
        assert isinstance(statement, ast.Expr)
        call = statement.value
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        assert not call.args
        calls.append((call.func.attr, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}))
    return calls


@given(seed=st.integers(0, 2**48), language=st.sampled_from(LANGUAGES))
def test_programs_parse_and_have_one_call_per_thing(seed: int, language: str) -> None:
    scene = sample_scene(seed, pairs=ALL_PAIRS, sign_rate=0.5)
    (first, start), *local = _calls(canvas_program(scene, language))
    assert first == "set_global_description"
    assert start["description"] == words_of(language).places[scene.place]
    assert len(local) == len(scene.things)
    for (method, arguments), thing in zip(local, scene.reading_order, strict=True):
        assert method == "add_local_description"
        assert list(arguments) == LOCAL_ARGUMENTS
        assert arguments["location"] == thing.location in LOCATIONS
        assert arguments["offset"] == thing.offset in OFFSETS
        assert arguments["distance_to_viewer"] == thing.distance
        assert arguments["description"] == words_of(language).phrase(thing)
        assert arguments["HTML_web_color_name"] == thing.colour in COLOURS
        assert (thing.sign or "") in "".join(arguments["detailed_descriptions"])  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_without_looks_tell_kinds_and_places_alone(language: str) -> None:
    words = words_of(language)
    for (_, told), (_, full), thing in zip(
        _calls(canvas_program(SCENE, language, looks=False)),
        _calls(canvas_program(SCENE, language)),
        (None, *SCENE.reading_order),
        strict=True,
    ):
        different = {name for name in full if told[name] != full[name]}
        assert different == (set() if thing is None else {"description", "HTML_web_color_name"})
        if thing is not None:
            assert told["description"] == words.a(thing.kind)
            assert told["HTML_web_color_name"] == "gray"


def test_areas_grow_with_size() -> None:
    widths = []
    for size in ("small", "medium", "large"):
        (_, (_, arguments)) = _calls(canvas_program(Scene(1, "sea", (replace(CAT, size=size),))))
        widths.append(AREAS[str(arguments["area"])][0])
    assert widths == [50, 60, 70]


@pytest.mark.parametrize("split", SPLITS)
def test_edits_stay_in_their_split(split: str) -> None:
    rng = Random(3)
    for scene in islice(scenes(split, 8), 60):
        changed = edit(scene, rng)
        assert split_of(changed.scene) == split
        assert changed.scene != scene


def _differences(old: Scene, new: Scene) -> set[str]:
    """Fields that changed, of the scene or of its things when none came or went."""
    fields = {"place"} if old.place != new.place else set()
    for thing, other in zip(old.things, new.things, strict=True):
        before, after = asdict(thing), asdict(other)
        fields |= {name for name in before if before[name] != after[name]}
    return fields


ALLOWED = {
    "recolour": {"colour"},
    "repattern": {"pattern", "second_colour"},
    "move": {"location", "offset"},
    "resize": {"size"},
    "place": {"place"},
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_edits_change_only_what_was_asked(language: str) -> None:
    rng, seen = Random(4), set()
    for scene in islice(scenes("train", 2), 400):
        changed = edit(scene, rng, language)
        seen.add(changed.kind)
        old, new = scene.things, changed.scene.things
        if changed.kind == "remove":
            assert len(new) == len(old) - 1
            assert set(new) < set(old)
        elif changed.kind == "add":
            assert new[:-1] == old
            assert words_of(language).phrase(new[-1]) in changed.instruction
        else:
            assert len(_differences(scene, changed.scene)) >= 1
            assert _differences(scene, changed.scene) <= ALLOWED[changed.kind]
            assert sum(a != b for a, b in zip(old, new, strict=True)) <= 1
        assert changed.scene.seed == scene.seed
    assert seen == set(EDIT_KINDS)


def test_instructions_say_what_changes() -> None:
    edits = {}
    rng = Random(0)
    for _ in range(300):
        changed = edit(SCENE, rng)
        edits[changed.instruction] = changed.scene
    assert edits["remove the dog"] == replace(SCENE, things=(CAT,))
    assert edits["make the dog plain"].things[1] == replace(DOG, pattern="plain", second_colour=None)
    assert edits["move the cat to the right"].things[0].location == "on the right"
    assert edits["change the background to a beach"].place == "beach"
    assert edits["make the dog small"].things[1] == replace(DOG, size="small")


def test_edits_follow_from_the_generator() -> None:
    assert edit(SCENE, Random(5)) == edit(SCENE, Random(5))


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'de'"):
        canvas_program(SCENE, "de")
    with pytest.raises(UnknownNameError, match="unknown language 'de'"):
        edit(SCENE, Random(0), "de")
