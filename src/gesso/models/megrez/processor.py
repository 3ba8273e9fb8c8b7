"""Messages to Megrez inputs: token ids, labels, slices of pictures and log-mel features of sounds."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from torch import Tensor
from transformers import PreTrainedTokenizerBase, WhisperFeatureExtractor

from gesso.core.errors import CheckpointError, MediaError
from gesso.core.messages import Audio, Image, Message, Part
from gesso.media.audio import load_audio
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.media.images import load_image
from gesso.models.base import Encoded, ImageTiles, SoundClip
from gesso.models.megrez.audio import HOP, SHORTEST, frame_count, token_count
from gesso.models.megrez.preprocess import CutPicture, cut_slices
from gesso.models.megrez.settings import RATE, MegrezSettings
from gesso.models.processor import ConversationProcessor
from gesso.models.rendering import Piece, render

__all__ = ["MARKS", "MegrezProcessor", "picture_pieces"]

MARKS: Final = (
    "<|role_start|>", "<|role_end|>", "<|turn_end|>", "<|image_start|>", "<|image_end|>",
    "<|slice_start|>", "<|slice_end|>", "<|audio_start|>", "<|audio_end|>",
)  # fmt: skip
"""What must be tokens of their own. The marks around a picture's number need not be."""


class MegrezProcessor(ConversationProcessor):
    """The processor of a Megrez model.

    Pictures come before sounds, and sounds before the text, wherever they stood in the message.

    Args:
        tokenizer: of the language model.
        settings: of the model.
        mels: bands of the log-mel features.
        policy: which sources of pictures and sounds may be read.

    Raises:
        CheckpointError: the tokenizer lacks marks of the template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        settings: MegrezSettings,
        *,
        mels: int = 128,
        policy: FetchPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(tokenizer, settings.template, max_length=settings.max_length, policy=policy)
        vocabulary = tokenizer.get_vocab()
        missing = [mark for mark in MARKS if mark not in vocabulary]
        if missing:
            raise CheckpointError(f"the tokenizer has no {', '.join(missing)}; use the checkpoint's own")
        self.settings = settings
        self._mel = WhisperFeatureExtractor(feature_size=mels, sampling_rate=RATE)

    @property
    def clip_seconds(self) -> int:
        """Longest sound that is heard as one."""
        return self.settings.clip_seconds

    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a slice of a picture takes, whatever its size."""
        return self.settings.image_feature_size

    def sound_width(self, sound: SoundClip) -> int:
        """How many positions a sound takes, its begin and end included."""
        return token_count(sound.frames) + 2

    def _encode(self, messages: Sequence[Message], made: dict[int, Any], prompt: bool) -> Encoded:
        pictures: list[CutPicture] = [
            self._once(made, image, self._cut_picture) for message in messages for image in message.images
        ]
        clips: list[list[SoundClip]] = [
            self._once(made, sound, self._clips) for message in messages for sound in message.sounds
        ]
        # a long sound has become several, each with marks of its own
        counts = map(len, clips)
        several = [replace(message, parts=tuple(_repeated(message, counts))) for message in messages]
        pieces = render(self.template, several, add_generation_prompt=prompt, end_token=self._end_token)
        ids, supervised = self._tokens.pieces(self._with_slices(pieces, pictures))
        slices = chain.from_iterable(picture.slices for picture in pictures)
        return Encoded(ids, supervised, tuple(slices), tuple(chain.from_iterable(clips)))

    def _with_slices(self, pieces: Sequence[Piece], pictures: Sequence[CutPicture]) -> Iterator[Piece]:
        """The pieces, with marks and slices in place of each picture."""
        numbered = enumerate(pictures)
        for piece in pieces:
            if piece.kind == "picture":
                number, picture = next(numbered)
                yield from picture_pieces(picture, number if self.settings.use_image_id else None)
            else:
                yield piece

    def _cut_picture(self, image: Image) -> CutPicture:
        picture = load_image(image.source, self._policy)
        return cut_slices(picture, self.settings, overview_only=image.detail == "low")

    def _clips(self, sound: Audio) -> list[SoundClip]:
        """A sound as the encoder takes it, `clip_seconds` at a time."""
        if isinstance(sound.source, SoundClip):  # made before, as training keeps them
            return [sound.source]
        samples = load_audio(sound.source, self._policy, rate=RATE)
        if len(samples) < SHORTEST:
            raise MediaError(f"a sound of {len(samples) / RATE:.3f} s; "
                             f"at least {SHORTEST / RATE:.2f} s are needed, record it again")  # fmt: skip
        longest = self.settings.clip_seconds * RATE
        pieces = [samples[start : start + longest] for start in range(0, len(samples), longest)]
        if len(pieces) > 1:
            # a rest below the shortest sound would have no token
            pieces = [piece for piece in pieces if len(piece) >= SHORTEST]
            pieces = pieces if self.settings.long_audio == "split" else pieces[:1]
            seconds = f"{self.settings.clip_seconds} s"
            what = f"{len(pieces)} pieces" if len(pieces) > 1 else f"its first {seconds} alone"
            warnings.warn(f"a sound of {len(samples) / RATE:.1f} s is given as {what}, since the model hears "
                          f"{seconds} at a time", stacklevel=2)  # fmt: skip
        return [self._clip(piece) for piece in pieces]

    def log_mel(self, samples: Any) -> Tensor:
        """Log-mel bands of samples [n] at 16 kHz, [M, C]: the columns that the sound itself fills."""
        columns = len(samples) // HOP
        # some silence behind it, as in features that are padded to 30 s
        room = (columns + 3) * HOP
        found = self._mel(samples, sampling_rate=RATE, return_tensors="pt", max_length=room)
        features: Tensor = found["input_features"][0, :, :columns]  # [1, M, C] -> [M, C]
        return features

    def _clip(self, samples: Any) -> SoundClip:
        found = self._mel(samples, sampling_rate=RATE, return_tensors="pt")
        # [1, M, C] -> [M, C]
        return SoundClip(found["input_features"][0], frame_count(len(samples)))


def picture_pieces(picture: CutPicture, number: int | None) -> Iterator[Piece]:
    """A picture as it stands in a prompt: its number, the overview, then rows of slices.

    Args:
        picture: the picture.
        number: counted from 0 over the conversation; None leaves it out.
    """
    if number is not None:
        yield Piece("markup", f"<|image_id_start|>{number}<|image_id_end|>")
    yield from (Piece("markup", "<|image_start|>"), Piece("picture"), Piece("markup", "<|image_end|>"))
    for index in range(len(picture.slices) - 1):
        # rows are lines; nothing stands between the overview and the first of them
        if index and index % picture.columns == 0:
            yield Piece("markup", "\n")
        yield from (Piece("markup", "<|slice_start|>"), Piece("picture"), Piece("markup", "<|slice_end|>"))


def _repeated(message: Message, counts: Iterator[int]) -> Iterator[Part]:
    """The parts of a message, each sound as often as the next of the counts says."""
    for part in message.parts:
        yield from [part] * (next(counts) if isinstance(part, Audio) else 1)
