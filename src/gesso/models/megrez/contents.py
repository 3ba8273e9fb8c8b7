"""Conversations in the form of the original's `model.chat`: dictionaries of text, image and audio."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import ROLES, Audio, Image, Message, Part, Text

__all__ = ["as_messages"]

FIELDS: Final = ("image", "audio", "text")


def as_messages(conversation: Sequence[Message | Mapping[str, Any]]) -> list[Message]:
    """Messages of a conversation in gesso's form or the original's, or a mixture of both.

    The original's is `{"role": ..., "content": ...}` with a string, or with a dictionary that may hold
    `text`, `image` and `audio`; the latter two are one source or a list of them.

    Raises:
        UsageError: a message is of neither form.
        UnsupportedError: a role or field that there is not, by name.
    """
    return [said if isinstance(said, Message) else _message(said) for said in conversation]


def _message(said: Any) -> Message:
    if not isinstance(said, Mapping) or set(said) != {"role", "content"}:
        came = sorted(map(str, said)) if isinstance(said, Mapping) else type(said).__name__
        raise UsageError(f"a message of {came}; it must be a Message, or have role and content and no more")
    role, content = said["role"], said["content"]
    if role not in ROLES:
        raise UnsupportedError(f"role {role!r} is not supported; allowed: {', '.join(ROLES)}")
    if isinstance(content, str):
        return Message(role, (Text(content),))
    if not isinstance(content, Mapping):
        raise UsageError(f"content of type {type(content).__name__}; allowed: a string or a dictionary of "
                         f"{', '.join(FIELDS)}")  # fmt: skip
    unknown = sorted(set(content) - set(FIELDS))
    if unknown:
        raise UnsupportedError(f"content fields {unknown} are not supported; allowed: {', '.join(FIELDS)}")
    return Message(role, tuple(_parts(content)))


def _parts(content: Mapping[str, Any]) -> Iterator[Part]:
    # None and "" stand for nothing: forms and data sets send them
    yield from (Image(source) for source in _listed(content.get("image")))
    yield from (Audio(source) for source in _listed(content.get("audio")))
    text = content.get("text")
    if text:
        if not isinstance(text, str):
            raise UsageError(f"content field 'text' is {type(text).__name__}; it must be str")
        yield Text(text)


def _listed(sources: Any) -> Sequence[Any]:
    if isinstance(sources, list | tuple):
        return sources
    return () if sources is None or (isinstance(sources, str) and not sources) else (sources,)
