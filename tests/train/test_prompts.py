from random import Random

import pytest
from transformers import PreTrainedTokenizerFast

from gesso.canvas.canvas import WHOLE, Condition
from gesso.canvas.parse import read_canvas
from gesso.canvas.prompts import WindowIds, token_windows
from gesso.config.schema import DiffusionSettings
from gesso.core.errors import TrainingError
from gesso.storybook.compose import canvas_program
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at
from gesso.train.prompts import Windows, conditions, drawn_conditions
from gesso.train.texts import clip_tokenizer

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)
SCENE = Scene(0, "sea", (FISH, TREE))


def test_regions_are_those_of_the_canvas_program() -> None:
    for language in ("en", "zh"):
        told = conditions(SCENE, language, "regions")
        assert told == read_canvas(canvas_program(SCENE, language)).canvas.conditions
        assert told[0].box == WHOLE
        assert len(told) == 3


def test_kinds_are_regions_without_looks() -> None:
    told = conditions(SCENE, "en", "kinds")
    looks = conditions(SCENE, "en", "regions")
    assert [one.box for one in told] == [one.box for one in looks]
    assert told[0] == looks[0]
    assert [one.prefixes[-1] for one in told[1:]] == ["a tree.", "a fish."]  # the farther first


@pytest.mark.parametrize(
    ("settings", "things", "forms"),
    [
        ({"regions": 1.0}, 2, {"regions"}),
        ({"regions": 0.0}, 2, {"description", "caption"}),
        ({"regions": 1.0, "placed": 1.0}, 1, {"kinds"}),
        ({"regions": 0.0, "placed": 1.0}, 1, {"placed"}),
        ({"regions": 0.0, "placed": 1.0}, 2, {"kinds"}),
        ({"regions": 0.5, "placed": 0.5}, 1, {"regions", "description", "caption", "kinds", "placed"}),
        ({"dropout": 1.0}, 2, {"nothing"}),
    ],
)
def test_forms_are_drawn_in_the_shares_asked_for(
    settings: dict[str, float], things: int, forms: set[str]
) -> None:
    chosen, scene = DiffusionSettings(**{"dropout": 0.0, **settings}), Scene(0, "sea", SCENE.things[:things])
    drawn = [drawn_conditions(scene, chosen, 0.5, Random(seed)) for seed in range(60)]
    assert {form for form, _ in drawn} == forms
    assert len({told for _, told in drawn}) == 2 * len(forms)  # two languages, or texts of nothing


def test_a_description_is_one_text_of_sentences() -> None:
    (told,) = conditions(SCENE, "en", "description")
    assert told.box == WHOLE
    assert told.prefixes == ("In the sea there are two things.",)
    assert told.suffixes == (
        "On the left is a small red fish with blue stripes.",
        "On the right is a large green tree.",
    )


def test_a_chinese_description_is_cut_at_its_own_stops() -> None:
    (told,) = conditions(SCENE, "zh", "description")
    assert told.prefixes == ("大海里有两个东西.",)
    assert told.suffixes == ("左边是一条有蓝色条纹的红色小鱼.", "右边是一棵绿色大树.")


def test_a_caption_is_one_sentence() -> None:
    (told,) = conditions(SCENE, "en", "caption")
    assert told.prefixes == ("in the sea: a red fish with blue stripes, a green tree.",)
    assert told.suffixes == ()


def test_nothing_says_the_negative_text_only() -> None:
    assert conditions(SCENE, "en", "nothing") == (Condition(WHOLE, (), (), None),)
    assert conditions(SCENE, "en", "nothing", "blurred")[0].prefixes == ("blurred",)


@pytest.mark.parametrize("form", ["regions", "kinds", "description", "caption", "nothing"])
def test_windows_of_77_are_those_of_the_painter(tokenizer: PreTrainedTokenizerFast, form: str) -> None:
    tokens = clip_tokenizer(tokenizer)
    windows = Windows(tokens, 77)
    own = WindowIds(windows.ids, tokens.bos_token_id, tokens.eos_token_id, tokens.pad_token_id)
    for number in range(4):
        for one in conditions(scene_at("train", 5, number), "en", form):
            (expected,) = token_windows(one.prefixes, one.suffixes, [own])
            assert [tuple(window) for window in windows.of(one)] == list(expected)


def test_short_windows_take_more_of_them(tokenizer: PreTrainedTokenizerFast) -> None:
    windows = Windows(clip_tokenizer(tokenizer), 12)
    (told,) = conditions(SCENE, "en", "description")
    made = windows.of(told)
    assert len(made) == 2
    assert {len(window) for window in made} == {12}
    prefix = windows.ids(told.prefixes[0])
    assert all(window[1:11] == list(prefix[:10]) + window[1 + len(prefix[:10]) : 11] for window in made)


def test_windows_longer_than_the_encoder_are_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    Windows(tokenizer, 32).check(32)
    with pytest.raises(TrainingError, match="windows of 33 ids do not fit a text encoder of 32 positions"):
        Windows(tokenizer, 33).check(32)
