import pytest
from PIL import Image as Pictures

import tiny
from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, assistant, user
from gesso.models.base import IMAGE_INDEX
from gesso.models.mgm.processor import MgmProcessor
from models.mgm import originals

HIGH = {"image_size_aux": 128, "image_grid": 2, "image_global": True}


def picture(**fields):
    return Image(Pictures.new("RGB", (30, 20), "red"), **fields)


def build(**changes):
    return MgmProcessor(tiny.tokenizer(), originals.settings(template="storybook", **changes))


def said(encoded):
    return tiny.tokenizer().decode([token for token in encoded.ids if token != IMAGE_INDEX])


def test_several_pictures_are_numbered_and_one_is_not():
    assert "Image 1:" not in said(build().encode([user(picture(), "what?")]))
    several = build().encode([user(picture(), picture(), "compare"), assistant("no"), user(picture(), "?")])
    text = said(several)
    assert [text.count(f"Image {number}:") for number in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert several.ids.count(IMAGE_INDEX) == len(several.images) == 3


def test_pictures_of_low_detail_are_overviews():
    low, high = build(**HIGH).encode([user(picture(detail="low"), picture(), "?")]).images
    processor = build(**HIGH)
    assert (processor.picture_width(low), processor.picture_width(high)) == (4, 20)


def test_conversations_that_do_not_fit_are_refused_and_in_training_cut():
    processor = build(max_length=12)
    messages = [user(picture(), "what is it?"), assistant("a red fish")]
    with pytest.raises(UsageError, match="this model takes 12"):
        processor.encode(messages, add_generation_prompt=False)
    (cut,) = processor.encode_group([messages])
    assert len(cut.ids) == 12 - 4 * len(cut.images) + len(cut.images)


def test_sound_is_refused():
    with pytest.raises(UnsupportedError, match="Audio"):
        build().encode([user(Audio(b""), "?")])
