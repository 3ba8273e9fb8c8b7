"""Contact sheets hold every picture where it belongs."""

from itertools import islice

import numpy as np
import pytest

from gesso.core.errors import UsageError
from gesso.storybook import splits
from gesso.storybook.draw import draw
from gesso.storybook.sheet import CAPTION_HEIGHT, GAP, contact_sheet

SCENES = list(islice(splits.scenes("val", 1), 5))


def test_pictures_lie_row_by_row() -> None:
    sheet = contact_sheet(SCENES, columns=3, size=40)
    assert sheet.size == (3 * (40 + GAP) + GAP, 2 * (40 + GAP) + GAP)
    left, top = GAP + 40 + GAP, GAP + 40 + GAP
    assert sheet.crop((left, top, left + 40, top + 40)).tobytes() == draw(SCENES[4], 40).tobytes()
    assert (np.asarray(sheet)[top:, left + 40 + GAP :] == 255).all()


def test_captions_are_written_below_and_cut_to_the_width() -> None:
    captions = ["a", "b", "c", "d", "a very long caption that cannot fit below its picture"]
    sheet = np.asarray(contact_sheet(SCENES, columns=5, size=64, captions=captions))
    assert sheet.shape[0] == 64 + 2 * GAP + CAPTION_HEIGHT
    written = sheet[GAP + 64 :].min(axis=(0, 2)) < 128  # columns with ink
    assert written[GAP : GAP + 10].any()
    last = GAP + 4 * (64 + GAP)
    assert written[last : last + 64].sum() > 20
    assert not written[last + 65 :].any()


def test_fewer_scenes_than_columns_make_a_narrow_sheet() -> None:
    assert contact_sheet(SCENES[:2], columns=9, size=32).width == 2 * (32 + GAP) + GAP


def test_an_empty_or_miscaptioned_sheet_is_refused() -> None:
    with pytest.raises(UsageError, match="0 scenes in 3 columns"):
        contact_sheet([], columns=3, size=40)
    with pytest.raises(UsageError, match="5 scenes in 0 columns"):
        contact_sheet(SCENES, columns=0, size=40)
    with pytest.raises(UsageError, match="1 captions for 5 scenes"):
        contact_sheet(SCENES, columns=2, size=40, captions=["one"])
