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
    """A sound.

    Attributes:
        source: a path, an http(s) or `data:` URL, bytes, or an array of samples; read by `gesso.media.audio`.
        format: names the container ("wav", "mp3") if known.
    """

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

    @property
    def sounds(self) -> tuple[Audio, ...]:
        """The audio parts, in order."""
        return tuple(part for part in self.parts if isinstance(part, Audio))

    @classmethod
    def from_openai(cls, message: Mapping[str, Any]) -> Self:
        """Read one OpenAI chat message; "developer" counts as "system".

        Raises:
            UnsupportedError: a role, field or part type that gesso does not take, by name.
        """
        extra = set(message) - {"role", "content"}
        if extra:
            raise UnsupportedError(
                f"message fields {sorted(map(str, extra))} are not supported; allowed: role, content"
            )
        role, content = message.get("role"), message.get("content")
        if role == "developer":  # OpenAI's newer name for the same thing
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
        """The message as an OpenAI chat message, which `from_openai` reads back as it was.

        Raises:
            UnsupportedError: a part holds something that has no URL form.
        """
        match self.parts:
            case (Text(text),):  # every server reads a string; not every one reads lists of parts
                return {"role": self.role, "content": text}
            case _:
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
            _allow_only(part, "type", "text")
            return Text(_field(part, "text", str))
        case "image_url":
            body = _body(part, kind, "url", "detail")
            detail = body.get("detail", "auto")
            # "original" is OpenAI's newest name for "every pixel you can take"
            return Image(_field(body, "url", str), "high" if detail == "original" else detail)
        case "input_audio":
            body = _body(part, kind, "data", "format")
            container = _field(body, "format", str)
            return Audio(_audio_prefix(container) + _field(body, "data", str), container)
        case "audio_url":
            body = _body(part, kind, "url", "format")
            return Audio(_field(body, "url", str), _field(body, "format", str) if "format" in body else None)
        case "video_url":
            return Video(_field(_body(part, kind, "url"), "url", str))
    raise UnsupportedError(f"content part type {kind!r} is not supported; "
                           "allowed: text, image_url, input_audio, audio_url, video_url")  # fmt: skip


def _body(part: Mapping[str, Any], kind: str, *allowed: str) -> Mapping[str, Any]:
    """The mapping under a part's own field, which has the name of its type."""
    _allow_only(part, "type", kind)
    body: Mapping[str, Any] = _field(part, kind, Mapping)
    _allow_only(body, *allowed)
    return body


def _allow_only(data: Mapping[str, Any], *allowed: str) -> None:
    extra = set(data) - set(allowed)
    if extra:
        raise UnsupportedError(f"content part fields {sorted(map(str, extra))} are not supported; "
                               f"allowed: {', '.join(allowed)}")  # fmt: skip


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
        case Audio(source, container):
            return _audio_to_openai(_url(source), container)
        case Video(source):
            return {"type": "video_url", "video_url": {"url": _url(source)}}


def _audio_to_openai(url: str, container: str | None) -> dict[str, Any]:
    """OpenAI's own part takes base64 data of a named format; all else goes by URL, as vLLM takes it."""
    if container is None:
        return {"type": "audio_url", "audio_url": {"url": url}}
    prefix = _audio_prefix(container)
    if url.startswith(prefix):
        data = url.removeprefix(prefix)
        return {"type": "input_audio", "input_audio": {"data": data, "format": container}}
    return {"type": "audio_url", "audio_url": {"url": url, "format": container}}


def _audio_prefix(container: str) -> str:
    return f"data:audio/{container};base64,"


def _url(source: Any) -> str:
    if not isinstance(source, str):
        raise UnsupportedError(f"a part held as {type(source).__name__} has no URL form; "
                               "encode it with gesso.media.images.data_url first")  # fmt: skip
    return source
