import pytest

from gesso.core import errors
from gesso.core.errors import GessoError, MissingExtraError, UnknownNameError, UsageError


def test_every_error_is_below_the_one_base() -> None:
    raised = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(error, GessoError) for error in raised)
    assert issubclass(UnknownNameError, UsageError)
    assert not issubclass(MissingExtraError, UsageError)


def test_an_unknown_name_lists_the_near_ones() -> None:
    error = UnknownNameError("model", "mini-lava", ["mini-llava", "mini-mgm", "omost"])
    assert error.near[0] == "mini-llava"
    assert "omost" not in error.near
    assert str(error).startswith("unknown model 'mini-lava'; did you mean mini-llava")


def test_an_unknown_name_without_near_ones_lists_them_all() -> None:
    error = UnknownNameError("split", "zzz", ["val", "train"])
    assert error.near == []
    assert str(error) == "unknown split 'zzz'; known: train, val"


def test_a_missing_extra_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"peft is not installed; run: pip install 'gesso\[train\]'"):
        raise MissingExtraError("peft", "train")
