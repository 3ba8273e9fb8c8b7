import pytest

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.sampling import Sampling
from gesso.models.megrez.options import KINDS, ChatOptions, read_options


def test_without_sampling_the_likeliest_are_taken() -> None:
    assert read_options(False, {}) == Sampling(max_new_tokens=1024)
    asked = read_options(False, {"num_beams": 3, "repetition_penalty": 1.2, "max_new_tokens": 5})
    assert asked == Sampling(num_beams=3, repetition_penalty=1.2, max_new_tokens=5)
    assert set(KINDS) == set(ChatOptions.__annotations__)


@pytest.mark.parametrize(("sampling", "options"), [(True, {}), (False, {"do_sample": True})])
def test_sampling_has_the_values_of_the_demo(sampling: bool, options: ChatOptions) -> None:
    demo = Sampling(temperature=0.7, top_p=0.8, top_k=100, max_new_tokens=1024)
    assert read_options(sampling, options) == demo
    assert read_options(sampling, {**options, "top_k": 0}).top_k == 0


@pytest.mark.parametrize(
    ("sampling", "options", "told"),
    [
        (
            False,
            {"temperature": 0.7, "top_k": 5},
            "temperature, top_k without sampling; set sampling to True",
        ),
        (False, {"do_sample": False, "top_p": 0.9}, "top_p without sampling"),
        (True, {"do_sample": False}, "sampling is True and do_sample False"),
        (True, {"temperature": 0}, "temperature is 0 with sampling"),
        (True, {"temperature": -1.0}, "temperature is -1.0; it must be >= 0"),
        (True, {"top_p": 1.5}, "top_p is 1.5"),
        (True, {"top_k": -1}, "top_k is -1"),
        (True, {"top_k": 1.5}, "top_k is 1.5; it must be int"),
        (True, {"num_beams": 2}, "num_beams 2 with temperature 0.7"),
        (False, {"num_beams": 0}, "num_beams is 0"),
        (False, {"max_new_tokens": 0}, "max_new_tokens is 0; it must be >= 1"),
        (False, {"max_new_tokens": True}, "max_new_tokens is True; it must be int"),
        (False, {"max_new_tokens": "9"}, "max_new_tokens is '9'"),
        (False, {"repetition_penalty": 0}, "repetition_penalty is 0"),
        (False, {"do_sample": 1}, "do_sample is 1; it must be bool"),
        ("yes", {}, "sampling is 'yes'; it must be bool"),
    ],
)
def test_values_that_cannot_be_or_would_not_be_read_are_refused(sampling, options, told) -> None:
    with pytest.raises(UsageError, match=told):
        read_options(sampling, options)


def test_other_keywords_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="chat has no stream, tokenizer; allowed: sampling, max_new"):
        read_options(False, {"stream": True, "tokenizer": None})  # type: ignore[typeddict-unknown-key]
