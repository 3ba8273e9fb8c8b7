from typing import Any

import pytest

from gesso.core.errors import EndpointError, UsageError
from gesso.core.messages import Message
from gesso.core.sampling import Sampling
from gesso.engines.plan_remote import RemoteWriter
from gesso.evaluate.endpoint_judge import API_KEY, EndpointJudge


def test_a_judge_is_asked_greedily(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[Message], Sampling]] = []

    def write(_: Any, messages: list[Message], sampling: Sampling) -> list[str]:
        asked.append((messages, sampling))
        return [" 0", ".5\n"]

    monkeypatch.setattr(RemoteWriter, "write", write)
    monkeypatch.setenv(API_KEY, "secret")
    judge = EndpointJudge.given("http://127.0.0.1:9/v1", "judge")
    assert judge is not None
    assert judge.ask("How good?") == "0.5"
    ((messages, sampling),) = asked
    assert [message.text for message in messages] == ["How good?"]
    assert sampling.greedy
    assert judge._writer._headers == {"Authorization": "Bearer secret"}


def test_no_judge_half_a_judge_and_one_that_is_not_there() -> None:
    assert EndpointJudge.given(None, None) is None
    for pair in ((None, "judge"), ("http://127.0.0.1:9/v1", None)):
        with pytest.raises(UsageError, match="give both or neither"):
            EndpointJudge.given(*pair)
    with pytest.raises(UsageError, match="must begin with http"):
        EndpointJudge("ftp://judge", "judge")
    with pytest.raises(EndpointError, match="cannot be reached"):
        EndpointJudge("http://127.0.0.1:9/v1", "judge").ask("How good?")
