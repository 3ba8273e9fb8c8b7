import pytest

from gesso.cli.loading import load_model
from gesso.core.errors import UnknownNameError
from gesso.core.messages import user
from gesso.engines.options import LoadOptions


def test_loading_is_quiet_where_nobody_watches(llava: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model(llava, LoadOptions())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert model.name == llava
    assert model.chat(user("hi"), max_new_tokens=2).usage.completion_tokens <= 2


def test_errors_pass_through() -> None:
    with pytest.raises(UnknownNameError, match="mini-lava"):
        load_model("mini-lava", LoadOptions())
