"""The settings of the original's `model.chat`, checked: what sampling there is, and what it reads."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.sampling import Sampling

__all__ = ["ChatOptions", "read_options"]

DRAWN: Final[Mapping[str, float]] = {"temperature": 0.7, "top_p": 0.8, "top_k": 100}
"""What sampling takes where nothing is said: the values of the original's web demo."""


class ChatOptions(TypedDict, total=False):
    """Keywords of `MegrezChat.chat`, under the names of the original.

    Attributes:
        max_new_tokens: longest answer; 1024 where nothing is said.
        temperature: for sampling.
        top_p: for sampling.
        top_k: for sampling; 0 keeps all.
        repetition_penalty: above 1 makes tokens of the answer so far less likely.
        num_beams: width of a beam search; 1 is none.
        do_sample: transformers' name for `sampling`.
    """

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    num_beams: int
    do_sample: bool


KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "max_new_tokens": (int,), "temperature": (int, float), "top_p": (int, float), "top_k": (int,),
    "repetition_penalty": (int, float), "num_beams": (int,), "do_sample": (bool,),
}  # fmt: skip


def read_options(sampling: bool, options: ChatOptions) -> Sampling:
    """Settings of one answer; temperature 0 is without sampling.

    Args:
        sampling: whether tokens are drawn.
        options: the other keywords of the call.

    Raises:
        UnsupportedError: a keyword that there is not.
        UsageError: a value of a wrong kind or out of range, or one that would not be read.
    """
    given: dict[str, Any] = dict(options)
    unknown = sorted(set(given) - set(KINDS))
    if unknown:
        raise UnsupportedError(f"chat has no {', '.join(unknown)}; allowed: sampling, {', '.join(KINDS)}")
    for name, value in {"sampling": sampling, **given}.items():
        kinds = KINDS.get(name, (bool,))
        # True is an int to Python
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise UsageError(
                f"{name} is {value!r}; it must be {' or '.join(kind.__name__ for kind in kinds)}"
            )
    if sampling and given.get("do_sample") is False:
        raise UsageError("sampling is True and do_sample False; they mean the same, give one of them")
    drawn = sampling or given.pop("do_sample", False)
    given.pop("do_sample", None)
    idle = [name for name in DRAWN if name in given]
    if idle and not drawn:
        raise UsageError(f"{', '.join(idle)} without sampling; set sampling to True, or leave them out")
    if drawn and given.get("temperature") == 0:
        raise UsageError("temperature is 0 with sampling; it must be above 0, or set sampling to False")
    return Sampling(**{"max_new_tokens": 1024, **(DRAWN if drawn else {}), **given})
