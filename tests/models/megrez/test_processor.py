import pytest

import tiny
from gesso.core.errors import CheckpointError, MediaError, UsageError
from gesso.core.messages import Audio, Image, assistant, user
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX
from gesso.models.megrez.processor import MegrezProcessor
from gesso.models.megrez.settings import MegrezSettings
from models.megrez import originals

SETTINGS = MegrezSettings(image_feature_size=8, scale_resolution=56)


def processor(**changes) -> MegrezProcessor:
    return MegrezProcessor(originals.tokenizer(), MegrezSettings(**{**SETTINGS.to_dict(), **changes}))


def test_every_slice_and_sound_has_its_place() -> None:
    messages = [user("Agree?", Audio(originals.sound(0.5)), Image(originals.PICTURE))]
    encoded = processor().encode(messages)
    assert encoded.ids.count(IMAGE_INDEX) == len(encoded.images) == 3
    assert encoded.ids.count(AUDIO_INDEX) == len(encoded.sounds) == 1
    assert encoded.ids.index(IMAGE_INDEX) < encoded.ids.index(AUDIO_INDEX)
    assert encoded.sounds[0].features.shape == (128, 3000)
    text = originals.tokenizer().decode([i for i in encoded.ids if i >= 0])
    assert (
        "<|image_id_start|>0<|image_id_end|><|image_start|><|image_end|><|slice_start|><|slice_end|>" in text
    )
    assert text.endswith("\nAudio 1: <|audio_start|><|audio_end|>\nAgree?<|turn_end|>"
                         "<|role_start|>assistant<|role_end|>")  # fmt: skip
    assert not any(encoded.supervised)


def test_answers_with_their_end_are_learned() -> None:
    (encoded,) = processor().encode_group([[user(Audio(originals.wav(0.1)), "Hm?"), assistant("Yes.")]])
    learned = [i for i, marked in zip(encoded.ids, encoded.supervised, strict=True) if marked]
    assert originals.tokenizer().decode(learned) == "Yes.<|turn_end|>"


def test_detail_low_asks_for_the_overview_and_numbers_can_be_left_out() -> None:
    message = [user(Image(originals.PICTURE, "low"), "What?")]
    assert len(processor().encode(message).images) == 1
    number = originals.tokenizer().convert_tokens_to_ids("<|image_id_start|>")
    assert number in processor().encode(message).ids
    assert number not in processor(use_image_id=False).encode(message).ids


@pytest.mark.parametrize(("rule", "clips"), [("split", 2), ("cut", 1)])
def test_long_sounds_are_accepted_and_it_is_said_how(rule: str, clips: int) -> None:
    said = "2 pieces" if clips == 2 else "its first 30 s alone"
    with pytest.warns(UserWarning, match=rf"a sound of 31\.0 s is given as {said}"):
        encoded = processor(long_audio=rule).encode([user(Audio(originals.sound(31)))])
    assert [sound.frames for sound in encoded.sounds] == [1500, 50][:clips]
    assert encoded.ids.count(AUDIO_INDEX) == clips
    assert ("Audio 2: " in originals.tokenizer().decode([i for i in encoded.ids if i >= 0])) == (clips == 2)


def test_a_rest_without_a_token_is_left_out() -> None:
    with pytest.warns(UserWarning, match="first 30 s alone"):
        encoded = processor().encode([user(Audio(originals.sound(30.01)))])
    assert len(encoded.sounds) == 1


def test_sounds_too_short_for_a_token_are_refused() -> None:
    with pytest.raises(MediaError, match=r"a sound of 0\.020 s; at least 0\.03 s"):
        processor().encode([user(Audio(originals.sound(0.02)))])


def test_conversations_too_long_are_refused_and_cut_for_training() -> None:
    messages = [user(Audio(originals.sound(10)), "Hm?"), assistant("Yes.")]
    with pytest.raises(UsageError, match="252 of them for pictures and sounds; this model takes 200"):
        processor(max_length=200).encode(messages, add_generation_prompt=False)
    (cut,) = processor(max_length=200).encode_group([messages])
    assert cut.sounds == ()
    assert AUDIO_INDEX not in cut.ids


def test_a_tokenizer_without_the_marks_is_refused() -> None:
    with pytest.raises(CheckpointError, match="the tokenizer has no <|role_start|>".replace("|", r"\|")):
        MegrezProcessor(tiny.tokenizer(), SETTINGS)
