from pathlib import Path

import pytest

from gesso.core.errors import MediaError, UsageError
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.media.sources import opened


def read(source, policy: FetchPolicy = DEFAULT_POLICY) -> tuple[bytes, str]:
    with opened(source, policy, kind="audio", noun="sound", others="samples") as (file, name):
        return file.read(), name


def test_every_form_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a:b.wav"
    path.write_bytes(b"abc")
    assert read(path) == read(str(path)) == (b"abc", str(path))
    assert read(b"abc") == (b"abc", "the sound given as bytes")
    assert read("data:audio/wav;base64,YWJj") == (b"abc", "data:audio/wav;base64,YWJj")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gone.wav", "sound gone.wav cannot be opened"),
        ("ftp://a.test/x", "scheme ftp"),
        ("http://a.test/x", "which the policy forbids"),
        ("data:image/png;base64,YWJj", "audio content is needed"),
    ],
)
def test_what_cannot_be_read_is_told(source: str, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        read(source)


def test_paths_can_be_forbidden() -> None:
    with pytest.raises(MediaError, match="names a file of this machine"):
        read("a.wav", FetchPolicy(allow_paths=False))


def test_other_types_are_refused() -> None:
    with pytest.raises(UsageError, match=r"sound source of type int; .*, samples"):
        read(7)
