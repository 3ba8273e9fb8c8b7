"""The one conversation type, from command line to trainer: messages of frozen, typed parts.

The shape is that of OpenAI chat content parts, so translating to and from the wire loses nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from gesso.core.errors import UnsupportedError, UsageError

__all__ = [
    "ROLES",
    "Audio",
    "Image",
    "Message",
    "Part",
    "Role",
    "Text",
    "Video",
    "assistant",
    "system",
    "user",
]

Role = Literal["system", "user", "assistant"]
ROLES: Final[tuple[Role, ...]] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture.

    Attributes:
        source: a path, an http(s) or `data:` URL, bytes, or a `PIL.Image.Image`;
            read by `gesso.media.images`.
        detail: OpenAI's hint: "low" asks for the overview only, the others for all tiles a model has.
    """

    source: Any
    detail: Literal["auto", "low", "high"] = "auto"

    def __post_init__(self) -> None:
        """Refuse unknown detail levels."""
        if self.detail not in ("auto", "low", "high"):
            raise UsageError(f"image detail {self.detail!r}; allowed: auto, low, high")


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound: a path, URL, bytes, or samples; `format` names the container of bytes ("wav", "mp3")."""

    source: Any
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A film: a path, URL or bytes, or a sequence of frames."""

    source: Any


Part = Text | Image | Audio | Video


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says in one turn: a role and its parts, in order."""

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Refuse unknown roles and parts that are no parts."""
        if self.role not in ROLES:
            raise UsageError(f"role {self.role!r}; allowed: {', '.join(ROLES)}")
        for part in self.parts:
            if not isinstance(part, Text | Image | Audio | Video):
                raise UsageError(
                    f"message part of type {type(part).__name__}; allowed: Text, Image, Audio, Video"
                )

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """The image parts, in order."""
        return tuple(part for part in self.parts if isinstance(part, Image))

    @classmethod
    def from_openai(cls, message: Mapping[str, Any]) -> Self:
        """Read one OpenAI chat message; "developer" counts as "system".

        Raises:
            UnsupportedError: a role, field or part type that gesso does not take, by name.
        """
        extra = set(message) - {"role", "content"}
        if extra:
            raise UnsupportedError(
                f"message fields {sorted(extra)} are not supported; allowed: role, content"
            )
        role, content = message.get("role"), message.get("content")
        if role == "developer":
            role = "system"
        if role not in ROLES:
            raise UnsupportedError(f"role {role!r} is not supported; allowed: developer, {', '.join(ROLES)}")
        if isinstance(content, str):
            return cls(role, (Text(content),))
        if not isinstance(content, Sequence):
            raise UsageError(
                f"content of type {type(content).__name__}; allowed: a string or a list of parts"
            )
        return cls(role, tuple(_part_from_openai(part) for part in content))

    def to_openai(self) -> dict[str, Any]:
        """The message as an OpenAI chat message; text alone becomes a plain string."""
        if all(isinstance(part, Text) for part in self.parts):
            return {"role": self.role, "content": self.text}
        return {"role": self.role, "content": [_part_to_openai(part) for part in self.parts]}


def user(*content: str | Part) -> Message:
    """A user's message; strings become text parts."""
    return Message("user", tuple(_as_parts(content)))


def assistant(*content: str | Part) -> Message:
    """An assistant's message; strings become text parts."""
    return Message("assistant", tuple(_as_parts(content)))


def system(text: str) -> Message:
    """A system message."""
    return Message("system", (Text(text),))


def _as_parts(content: Sequence[str | Part]) -> Iterator[Part]:
    for item in content:
        yield Text(item) if isinstance(item, str) else item


def _part_from_openai(part: Any) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    match kind:
        case "text":
            return Text(_field(part, "text", str))
        case "image_url":
            image = _field(part, "image_url", Mapping)
            # "original" is OpenAI's newest name for "every pixel you can take"
            detail = {"original": "high"}.get(image.get("detail", "auto"), image.get("detail", "auto"))
            return Image(_field(image, "url", str), detail)
        case "input_audio":
            audio = _field(part, "input_audio", Mapping)
            return Audio(f"data:audio/{audio.get('format', 'wav')};base64,{_field(audio, 'data', str)}",
                         audio.get("format"))  # fmt: skip
        case "audio_url":
            return Audio(_field(_field(part, "audio_url", Mapping), "url", str))
        case "video_url":
            return Video(_field(_field(part, "video_url", Mapping), "url", str))
    raise UnsupportedError(f"content part type {kind!r} is not supported; "
                           "allowed: text, image_url, input_audio, audio_url, video_url")  # fmt: skip


def _field(data: Mapping[str, Any], name: str, expected: type[Any]) -> Any:
    value = data.get(name)
    if not isinstance(value, expected):
        raise UsageError(
            f"content part field {name!r} is {type(value).__name__}; it must be {expected.__name__}"
        )
    return value


def _part_to_openai(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(source, detail):
            return {"type": "image_url", "image_url": {"url": _url(source), "detail": detail}}
        case Audio(source, _):
            return {"type": "audio_url", "audio_url": {"url": _url(source)}}
        case Video(source):
            return {"type": "video_url", "video_url": {"url": _url(source)}}


def _url(source: Any) -> str:
    if not isinstance(source, str):
        raise UnsupportedError(f"a part held as {type(source).__name__} has no URL form; "
                               "encode it with gesso.media.images.data_url first")  # fmt: skip
    return source
