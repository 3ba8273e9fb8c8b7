from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import gesso
import tiny
from gesso.core.errors import UsageError
from gesso.core.messages import Audio, Image, user
from gesso.engines.chat import Chat
from gesso.engines.features import FeatureMemory, media_digest
from gesso.models.base import ImageTiles, SoundClip
from models.megrez import originals


def _picture(shade: float) -> ImageTiles:
    return ImageTiles(torch.full((1, 3, 4, 4), float(shade)), (4, 4))


class _Maker:
    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, items: Sequence[Any]) -> list[Tensor]:
        self.calls.append(len(items))
        return [item.pixels[0, 0, :2].clone() for item in items]  # 32 bytes each


def test_each_picture_is_made_once_and_comes_back_in_order() -> None:
    memory, make = FeatureMemory(1000), _Maker()
    first = memory.recall([_picture(1), _picture(2), _picture(1)], make)
    again = memory.recall([_picture(2), _picture(3), _picture(1)], make)
    assert make.calls == [2, 1]
    assert [float(f[0, 0]) for f in first + again] == [1, 2, 1, 2, 3, 1]
    assert (memory.hits, memory.misses, memory.used) == (3, 3, 96)


def test_the_longest_unused_go_when_the_budget_is_full() -> None:
    memory, make = FeatureMemory(64), _Maker()
    for shade in (1, 2, 1, 3, 1, 2):
        memory.recall([_picture(shade)], make)
        assert memory.used <= 64
    # 3 pushed 2 out, not 1, which had been used since
    assert make.calls == [1, 1, 1, 1]
    nothing = FeatureMemory(0)
    nothing.recall([_picture(1)], make)
    assert nothing.used == 0
    with pytest.raises(UsageError, match="at least 0"):
        FeatureMemory(-1)


def test_pictures_and_sounds_are_told_apart_by_content_and_extent() -> None:
    values = torch.zeros(1, 3, 4, 4)
    digests = {
        media_digest(ImageTiles(values, (4, 4))), media_digest(ImageTiles(values, (4, 3))),
        media_digest(ImageTiles(values + 1, (4, 4))), media_digest(SoundClip(values[0, 0], 2)),
        media_digest(SoundClip(values[0, 0], 3)),
    }  # fmt: skip
    assert len(digests) == 5
    assert media_digest(_picture(1)) == media_digest(_picture(1))


def test_answers_are_the_same_and_towers_run_once_across_requests(tmp_path: Any) -> None:
    model = gesso.load(str(tiny.llava_folder(tmp_path)), device="cpu")
    bare = gesso.load(str(tmp_path), device="cpu", feature_cache=0)
    picture = originals.PICTURE
    talks = [[user(Image(picture), "one?")], [user("no picture")], [user(Image(picture), "two?")]]
    for talk in talks:
        assert model.chat(talk, max_new_tokens=6).text == bare.chat(talk, max_new_tokens=6).text
    memory: Any = model.engine.model.memory  # type: ignore[union-attr]
    assert (memory.hits, memory.misses) == (1, 1)


@pytest.mark.parametrize("together", [False, True])
def test_sounds_are_kept_unless_others_change_them(tmp_path: Any, together: bool) -> None:
    chat = originals.chat(tmp_path)
    object.__setattr__(chat.processor.settings, "clips_together", together)
    memory = chat.memory = FeatureMemory(10**6)
    engine = Chat(chat, chat.processor)
    for question in ("one", "two"):
        engine.chat([user(Audio(originals.sound(0.5)), question)], gesso.Sampling(max_new_tokens=2))
    assert memory.misses == (0 if together else 1)
