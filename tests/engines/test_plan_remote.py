import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from engines.planning import canvas, program
from gesso.core.errors import EndpointError, UnsupportedError, UsageError
from gesso.core.messages import system, user
from gesso.core.sampling import Sampling
from gesso.engines.plan import Planner
from gesso.engines.plan_endpoint import GENERAL_SETTINGS
from gesso.engines.plan_remote import RemoteWriter
from gesso.engines.plan_writers import PlanStats
from gesso.models.omost.prompts import GENERAL_PROMPT

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=99, seed=4, stop=("END",))


class Stub:
    """A server that answers as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.kind = "text/event-stream"
        self.lines: list[str | float] = []
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    def say(self, *texts: str, finish: str | None = "stop", usage: bool = True, done: bool = True) -> None:
        """Stream a reply in OpenAI's form."""
        chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": None}}]}]
        chunks += [{"choices": [{"delta": {"content": text}, "finish_reason": None}]} for text in texts]
        chunks += [{"choices": [{"delta": {}, "finish_reason": finish}]}] if finish else []
        chunks += [{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}] if usage else []
        self.lines = [": ping\n\n", *(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)]
        self.lines += ["data: [DONE]\n\n"] if done else []


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append((self.path, dict(self.headers), body))
            self.send_response(made.status)
            self.send_header("Content-Type", made.kind)
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have gone
                for line in made.lines:
                    if isinstance(line, float):
                        time.sleep(line)
                    else:
                        self.wfile.write(line.encode())
                        self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/v1/"  # type: ignore[attr-defined]
    yield made
    server.shutdown()
    server.server_close()


def writer(stub: Stub, **settings: Any) -> RemoteWriter:
    return RemoteWriter(stub.url, "composer", timeout=settings.pop("timeout", 5.0), **settings)  # type: ignore[attr-defined]


def test_a_planner_behind_a_server_plans(stub: Stub) -> None:
    text = program("red fish")
    stub.say(*[text[n : n + 11] for n in range(0, len(text), 11)])
    plan = Planner(writer(stub), GENERAL_SETTINGS).plan("a red fish")
    assert plan.canvas == canvas("red fish")
    assert plan.stats == PlanStats(prompt_tokens=7, tokens=5, passes=None)
    assert stub.asked[0][2]["messages"] == [
        {"role": "system", "content": GENERAL_PROMPT},
        {"role": "user", "content": "a red fish"},
    ]


def test_the_request_is_openais(stub: Stub) -> None:
    stub.say("hi")
    asking = writer(stub, api_key="secret", extra={"top_k": 40, "temperature": 0.1})
    assert "".join(asking.write([system("s"), user("u")], SAMPLING)) == "hi"
    path, headers, body = stub.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body == {
        "model": "composer",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.1,
        "top_p": 0.9,
        "max_tokens": 99,
        "seed": 4,
        "stop": ["END"],
        "top_k": 40,
    }


def test_without_a_key_none_is_sent(stub: Stub) -> None:
    stub.say("hi")
    list(writer(stub).write([user("u")], Sampling()))
    assert "Authorization" not in stub.asked[0][1]
    assert "seed" not in stub.asked[0][2]


@pytest.mark.parametrize(("finish", "reason"), [("stop", "stop"), ("length", "length"), (None, "stop")])
def test_the_reason_to_end_is_passed_on(stub: Stub, finish: str | None, reason: str) -> None:
    stub.say("a", "b", finish=finish)
    writing = writer(stub).write([user("u")], Sampling())
    assert writing.finish_reason == "cancelled"
    assert list(writing) == ["a", "b"]
    assert writing.finish_reason == reason


def test_a_server_that_counts_nothing_and_says_no_done_will_do(stub: Stub) -> None:
    stub.say("a", usage=False, done=False)
    writing = writer(stub).write([user("u")], Sampling())
    assert list(writing) == ["a"]
    assert writing.stats == PlanStats(passes=None)


def test_a_reply_can_be_cancelled(stub: Stub) -> None:
    stub.say(*"abcdef")
    heard: list[str] = []
    writing = writer(stub).write([user("u")], Sampling(), cancelled=lambda: len(heard) == 2)
    for piece in writing:
        heard.append(piece)
    assert heard == ["a", "b"]
    assert writing.finish_reason == "cancelled"


ERROR = '{"error": {"message": "model composer not found", "code": "model_not_found"}}'


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, ERROR, "404 Not Found: model composer not found .check base_url"),
        (401, '{"detail": "no key"}', "401 Unauthorized: .*no key.*give the API key"),
        (429, "slow down", "429 Too Many Requests: slow down .too many requests"),
        (500, "", "500 Internal Server Error: no reason given .see the server's log"),
        (400, '["odd"]', "400 Bad Request: .*odd"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_with_advice(
    stub: Stub, status: int, body: str, said: str
) -> None:
    stub.status, stub.kind, stub.lines = status, "application/json", [body]
    with pytest.raises(EndpointError, match=said):
        list(writer(stub).write([user("u")], Sampling()))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["data: {not json\n\n"], "which is no JSON"),
        (["data: [1, 2]\n\n"], "a JSON object was expected"),
        (['data: {"error": {"message": "out of memory"}}\n\n'], "stopped the reply: out of memory"),
        (['data: {"choices": [{"delta": {"content": "a"}}]}\n\n'], "broke off in the middle"),
        (['data: {"choices": [{"finish_reason": "content_filter"}]}\n\n'], "for the reason 'content_filter'"),
    ],
)
def test_a_stream_that_goes_wrong_is_told(stub: Stub, lines: list[str], said: str) -> None:
    stub.lines = list(lines)
    with pytest.raises(EndpointError, match=said):
        list(writer(stub).write([user("u")], Sampling()))


def test_a_server_that_does_not_stream_is_told(stub: Stub) -> None:
    stub.kind, stub.lines = "application/json", ['{"choices": []}']
    with pytest.raises(EndpointError, match="no event stream"):
        list(writer(stub).write([user("u")], Sampling()))


def test_a_server_that_falls_silent_is_told(stub: Stub) -> None:
    stub.say("a")
    stub.lines.insert(2, 1.0)
    with pytest.raises(EndpointError, match=r"sent nothing for 0\.3 seconds"):
        list(writer(stub, timeout=0.3).write([user("u")], Sampling()))


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match=r"cannot be reached.*is the server running there"):
            list(RemoteWriter(address, "m").write([user("u")], Sampling()))


@pytest.mark.parametrize("setting", [{"top_k": 5}, {"repetition_penalty": 1.1}, {"num_beams": 2}])
def test_settings_that_the_api_lacks_are_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=f"{next(iter(setting))} is not part of OpenAI's chat API"):
        RemoteWriter("http://127.0.0.1:9/v1", "m").write([user("u")], Sampling(**setting))


def test_addresses_and_times_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="must begin with http"):
        RemoteWriter("127.0.0.1:8000", "m")
    with pytest.raises(UsageError, match="timeout is 0"):
        RemoteWriter("http://127.0.0.1", "m", timeout=0)


def test_tokens_of_a_prompt_are_estimated() -> None:
    remote = RemoteWriter("http://127.0.0.1/v1", "m", context=4096)
    assert remote.context == 4096
    assert remote.count([user("x" * 300)]) == 108
