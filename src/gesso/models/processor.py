"""Messages to model inputs, for families whose pictures and sounds stand among a template's tokens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from PIL import Image as Pictures
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.core.messages import Image, Message
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.media.images import load_image
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX, Encoded, ImageTiles, SoundClip
from gesso.models.pixels import PixelSettings
from gesso.models.rendering import render
from gesso.models.settings import PictureSettings
from gesso.models.templates import get_template
from gesso.models.tokens import PromptTokenizer

__all__ = ["ConversationProcessor", "PictureMaker", "PictureProcessor"]

S = TypeVar("S", bound=PictureSettings)
T = TypeVar("T")


class ConversationProcessor(ABC):
    """What all these processors have in common: lengths, and whole conversations for training.

    Args:
        tokenizer: of the language model.
        template: name of the conversation template.
        max_length: longest sequence, positions of pictures and sounds included.
        policy: which sources of pictures and sounds may be read.

    Raises:
        CheckpointError: template and tokenizer do not fit.
        UnknownNameError: there is no such template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: str,
        *,
        max_length: int,
        policy: FetchPolicy,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = get_template(template)
        if self.template.around_answer[1] is None and tokenizer.eos_token is None:
            raise CheckpointError(f"template {template} ends answers with the tokenizer's end "
                                  "token, but this tokenizer has none; set its eos_token")  # fmt: skip
        # "None" where the tokenizer has none: no template that asks for it comes this far
        self._end_token = str(tokenizer.eos_token)
        self._tokens = PromptTokenizer(tokenizer)
        self._policy = policy
        self.max_length = max_length
        self._seen = "pictures" if self.template.around_sound is None else "pictures and sounds"

    @abstractmethod
    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""

    def sound_width(self, sound: SoundClip) -> int:
        """How many positions a sound takes in a prompt; families that hear have their own."""
        raise UnsupportedError(f"a sound of {sound.frames} frames for a model without ears; leave it out")

    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded:
        """Encode a conversation; with a generation prompt it ends where the assistant is to speak.

        Answers and their end tokens are marked as supervised.

        Raises:
            UsageError: the roles are out of order, or the conversation is too long for the model.
            UnsupportedError: a part that the model does not take.
            MediaError: a picture cannot be read.
        """
        encoded = self._encode(messages, {}, add_generation_prompt)
        self._check_length(encoded)
        return encoded

    def encode_group(self, conversations: Iterable[Sequence[Message]]) -> list[Encoded]:
        """Encode whole conversations for training; an `Image` that several of them hold is read once.

        One that is too long for the model is cut at its end, as the original does, but not inside a picture.

        Raises:
            GessoError: as `encode`, but for the length.
        """
        # all of them at once: an `Image` that a generator had let go could give its id to the next one
        held = list(conversations)
        made: dict[int, Any] = {}
        return [self._cut(self._encode(messages, made, False)) for messages in held]

    @abstractmethod
    def _encode(self, messages: Sequence[Message], made: dict[int, Any], prompt: bool) -> Encoded:
        """Encode a conversation of any length.

        Args:
            messages: the conversation.
            made: what parts of messages have become, by their `id`; what is there is not prepared again.
            prompt: whether it ends where the assistant is to speak.
        """

    def _once(self, made: dict[int, Any], part: T, make: Callable[[T], Any]) -> Any:
        """What a part of a message becomes, from `made` if it is there."""
        # by identity: comparing two pictures costs more than preparing one
        if id(part) not in made:
            made[id(part)] = make(part)
        return made[id(part)]

    def _check_length(self, encoded: Encoded) -> None:
        # a picture takes hundreds of positions, so more than one tells it from a token
        widths = self._widths(encoded)
        length, pictures = sum(widths), sum(width for width in widths if width > 1)
        if length > self.max_length:
            raise UsageError(f"the conversation is {length} positions long, {pictures} of them "
                             f"for {self._seen}; this model takes {self.max_length}, "
                             f"so shorten it or use fewer {self._seen}")  # fmt: skip

    def _cut(self, encoded: Encoded) -> Encoded:
        """The beginning that fits the model."""
        ends = accumulate(self._widths(encoded))
        # ids whose last position still fits; a picture goes as a whole
        kept = sum(1 for end in ends if end <= self.max_length)
        ids = encoded.ids[:kept]
        images = encoded.images[: ids.count(IMAGE_INDEX)]
        return Encoded(ids, encoded.supervised[:kept], images, encoded.sounds[: ids.count(AUDIO_INDEX)])

    def _widths(self, encoded: Encoded) -> list[int]:
        """How many positions each id takes."""
        widths = {
            IMAGE_INDEX: (self.picture_width(image) for image in encoded.images),
            AUDIO_INDEX: (self.sound_width(sound) for sound in encoded.sounds),
        }
        return [next(widths[token]) if token in widths else 1 for token in encoded.ids]


class PictureMaker(Protocol):
    """Prepares pictures for one model."""

    def __call__(self, image: Pictures.Image, *, overview_only: bool) -> ImageTiles:
        """An RGB picture as the model takes it; `overview_only` asks for the least of it."""
        ...


class PictureProcessor(ConversationProcessor, Generic[S]):
    """For families that take a picture as one; a family says how it prepares and counts it.

    Args:
        tokenizer: of the language model.
        settings: of the model; they name the conversation template.
        pixels: how pictures are normalised; CLIP's way by default.
        policy: which picture sources may be read.

    Raises:
        CheckpointError: template and tokenizer do not fit, or pixels and model.
        UnknownNameError: there is no such template.
    """

    numbered: ClassVar[bool] = False
    """Whether each of several pictures is named ("Image 1:") before it stands."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        settings: S,
        *,
        pixels: PixelSettings | None = None,
        policy: FetchPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(tokenizer, settings.template, max_length=settings.max_length, policy=policy)
        self.settings = settings
        self.pixels = pixels or PixelSettings()
        self.prepare = self._maker()

    @abstractmethod
    def _maker(self) -> PictureMaker:
        """What prepares pictures, from settings and pixels."""

    def _encode(self, messages: Sequence[Message], made: dict[int, Any], prompt: bool) -> Encoded:
        pieces = render(
            self.template,
            messages,
            add_generation_prompt=prompt,
            end_token=self._end_token,
            mark_pictures=self.settings.use_im_start_end,
            number_pictures=self.numbered,
        )
        ids, supervised = self._tokens.pieces(pieces)
        # in the order of the messages, which is that of their placeholders
        parts = (image for message in messages for image in message.images)
        return Encoded(ids, supervised, tuple(self._once(made, image, self._tiles) for image in parts))

    def _tiles(self, image: Image) -> ImageTiles:
        return self.prepare(load_image(image.source, self._policy), overview_only=image.detail == "low")
