from dataclasses import dataclass, replace
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.subject import StorybookSubject, swap_background
from gesso.storybook.draw import draw
from gesso.storybook.scene import COLOURS
from gesso.storybook.subjects import subject_pair


@dataclass
class Oracle:
    """Paints the very scene that is wanted, or spoils it in one way."""

    spoil: str = ""
    name: str = "oracle"
    number: int = 0

    def __post_init__(self) -> None:
        self.engine = SimpleNamespace(defaults=PaintSettings(size=(128, 128), guidance="none"))

    def look(self, image, mask, noun):
        assert np.asarray(mask).any()
        return noun

    def paint(self, seen, prompt, settings, *, strength):
        pair = subject_pair("test", 4, self.number)
        assert (seen, prompt) == (pair.noun, pair.prompt)
        self.number += 1
        scene = pair.target
        if self.spoil == "colour":
            own = (pair.subject.colour, pair.subject.second_colour)
            other = next(colour for colour in COLOURS if colour not in own)
            scene = replace(scene, things=(replace(pair.subject, colour=other),))
        if self.spoil == "place":
            scene = replace(scene, place=pair.reference.place)
        grey = Image.new("RGB", (128, 128), "grey")
        return [SimpleNamespace(image=grey if self.spoil == "all" else draw(scene, 128))]


class Model:
    """As evaluation sees it: a name and an engine."""

    def __init__(self, oracle):
        self.name, self.engine = oracle.name, oracle


def scores(spoil, tmp_path, **choices):
    report = evaluate(Model(Oracle(spoil)), StorybookSubject(**choices), Plan(count=16, seed=4, batch=4),
                      log=tmp_path / (spoil or "right"), weights="w")  # fmt: skip
    return {name: found.score for name, found in report.scores.items()}


def test_true_renders_are_right_and_others_are_not(tmp_path):
    right = scores("", tmp_path)
    assert min(right["subject"], right["context"]) >= 0.9
    colour = scores("colour", tmp_path)
    assert colour["subject"] <= 0.1
    assert colour["context"] >= 0.9
    place = scores("place", tmp_path)
    assert place["subject"] >= 0.9
    assert place["context"] <= 0.1
    assert scores("all", tmp_path)["kind"] <= 0.2


def test_a_swapped_background_keeps_the_subject_where_it_was(tmp_path):
    swapped = scores("all", tmp_path, adapter="background-swap")
    assert swapped["subject"] >= 0.8
    assert swapped["context"] <= 0.2
    pair = subject_pair("test", 4, 0)
    image, mask = draw(pair.reference, 64), Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 64, 32))
    found = np.asarray(swap_background(image, mask, Image.new("RGB", (32, 32))))
    assert np.array_equal(found[:32], np.asarray(image)[:32])
    assert not found[32:].any()


def test_choices_that_mean_nothing_are_refused():
    with pytest.raises(UnknownNameError, match="adapter"):
        StorybookSubject(adapter="glue")
    with pytest.raises(UsageError, match="adapter_from here came with the adapter moma"):
        StorybookSubject(adapter_from="here")
    with pytest.raises(UnsupportedError, match="choose --adapter ip-adapter"):
        StorybookSubject().check(Model(Mock(kind="ip-adapter")), 1)
    with pytest.raises(UsageError, match="give --adapter-from"):
        StorybookSubject(adapter="ip-adapter").check(Model(Oracle()), 1)
    with pytest.raises(UsageError):
        StorybookSubject(split="train")
    with pytest.raises(UnsupportedError, match="mini-moma"):
        StorybookSubject().check(SimpleNamespace(name="x"), 1)
