"""Opening what a message part names: a path, an http(s) or `data:` URL, or the bytes of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from gesso.core.errors import MediaError, UsageError
from gesso.media.fetch import FetchPolicy, fetch, read_data_url, shorten

__all__ = ["opened"]


@contextmanager
def opened(
    source: Any, policy: FetchPolicy, *, kind: str, noun: str, others: str
) -> Iterator[tuple[BinaryIO, str]]:
    """The content of a source as a file, and what to call it in messages.

    Args:
        source: a path, an http(s) or `data:` URL, or the bytes of a file.
        policy: which of these may be read.
        kind: the first half of the media type that a `data:` URL must have, such as "image".
        noun: what is being read, such as "picture".
        others: what else the caller takes, for the message about a source of another type.

    Raises:
        MediaError: the source is missing, or forbidden.
        UsageError: `source` is none of these things.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield BytesIO(source), f"the {noun} given as bytes"
    elif isinstance(source, Path):
        with _open_path(source, policy, noun) as file:
            yield file, str(source)
    elif not isinstance(source, str):
        raise UsageError(f"{noun} source of type {type(source).__name__}; "
                         f"allowed: a path, an http(s) or data: URL, bytes, {others}")  # fmt: skip
    else:
        scheme, colon, _ = source[:16].lower().partition(":")
        if scheme == "data" and colon:
            yield BytesIO(read_data_url(source, kind, policy)), shorten(source, 40)
        # a path may hold a colon ("C:\cat.png", "a:b.png"), but hardly "://"
        elif "://" not in source[:32]:
            with _open_path(Path(source), policy, noun) as file:
                yield file, source
        elif scheme in ("http", "https"):
            yield BytesIO(fetch(source, policy)), shorten(source)
        else:
            raise MediaError(
                f"{shorten(source)} has the scheme {scheme}; allowed: http, https, data, or a path"
            )


def _open_path(path: Path, policy: FetchPolicy, noun: str) -> BinaryIO:
    if not policy.allow_paths:
        raise MediaError(f"{shorten(str(path))} names a file of this machine, which the policy forbids; "
                         "send the content as a data: URL")  # fmt: skip
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a name with a zero character
        raise MediaError(f"{noun} {shorten(str(path))} cannot be opened: {error}; check the path") from error
