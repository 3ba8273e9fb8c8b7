"""What the processors of families share is tested with a family that adds next to nothing."""

import pytest
import torch
from PIL import Image as Pictures

import tiny
from gesso.core.errors import UnknownNameError, UsageError
from gesso.core.messages import Image, assistant, user
from gesso.models.base import ImageTiles
from gesso.models.processor import PictureMaker, PictureProcessor
from gesso.models.settings import PictureSettings

DOT = Pictures.new("RGB", (2, 2))


class Plain(PictureProcessor[PictureSettings]):
    """Pictures of three positions; counts how many it prepares."""

    prepared = 0

    def _maker(self) -> PictureMaker:
        def prepare(image: Pictures.Image, *, overview_only: bool) -> ImageTiles:
            self.prepared += 1
            return ImageTiles(torch.zeros(1, 3, 1, 1), image.size)

        return prepare

    def picture_width(self, image: ImageTiles) -> int:
        return 3


def build(template: str = "storybook", max_length: int = 99) -> Plain:
    return Plain(tiny.tokenizer(), PictureSettings(template=template, max_length=max_length))


def test_a_picture_of_several_conversations_is_prepared_once() -> None:
    processor, shown = build(), Image(DOT)
    group = processor.encode_group([[user(shown, text), assistant("a")] for text in ("one?", "two?")])
    assert processor.prepared == 1
    assert group[0].images[0] is group[1].images[0]


def test_positions_of_pictures_count_and_cut_as_a_whole() -> None:
    messages = [user(Image(DOT), "what?"), assistant("fish")]
    whole = build().encode(messages, add_generation_prompt=False)
    length = len(whole.ids) + 2
    assert build(max_length=length).encode(messages, add_generation_prompt=False).ids == whole.ids
    with pytest.raises(UsageError, match=f"{length} positions long, 3 of them"):
        build(max_length=length - 1).encode(messages, add_generation_prompt=False)
    (cut,) = build(max_length=length - 1).encode_group([messages])
    assert cut.ids == whole.ids[:-1]


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="template"):
        build("nonsense")
