import pytest

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, assistant, system, user
from gesso.models.megrez.contents import as_messages


def test_dictionaries_and_messages_may_be_mixed() -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": {"text": "Agree?", "audio": "a.wav", "image": ["a.png", "b.png"]}},
        assistant("Yes."),
        {"role": "user", "content": {"audio": b"RIFF", "text": "", "image": None}},
    ]
    assert as_messages(said) == [
        system("Be brief."),
        user(Image("a.png"), Image("b.png"), Audio("a.wav"), "Agree?"),
        assistant("Yes."),
        user(Audio(b"RIFF")),
    ]


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("hello", UsageError, "a message of str"),
        ({"role": "user"}, UsageError, r"a message of \['role'\]"),
        ({"role": "tool", "content": ""}, UnsupportedError, "role 'tool'"),
        ({"role": "user", "content": {"video": "a.mp4"}}, UnsupportedError, r"content fields \['video'\]"),
        ({"role": "user", "content": 7}, UsageError, "content of type int"),
        ({"role": "user", "content": {"text": 7}}, UsageError, "'text' is int"),
    ],
)
def test_other_forms_are_refused(said, error, told) -> None:
    with pytest.raises(error, match=told):
        as_messages([said])
