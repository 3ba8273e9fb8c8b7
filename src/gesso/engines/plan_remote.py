"""Replies of a server that speaks OpenAI's chat API, such as vLLM, SGLang, llama.cpp, Ollama or OpenAI."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx2

from gesso.core.errors import EndpointError, UnsupportedError, UsageError
from gesso.core.messages import Message
from gesso.core.results import FinishReason
from gesso.core.sampling import Sampling
from gesso.engines.plan_writers import PlanStats

__all__ = ["RemoteWriter", "RemoteWriting"]

LETTERS_PER_TOKEN: Final = 3
"""For estimates; English has about four, programs and Chinese fewer."""

SHOWN: Final = 300
"""Letters of a server's own words that a message quotes."""

ADVICE: Final = {
    400: "the server does not take this request; see its own words",
    401: "give the API key the server asks for",
    403: "the API key may not use this model",
    404: "check base_url, which usually ends in /v1, and the model's name",
    413: "the conversation is too long for the server; start a new one",
    429: "too many requests or no credit left; wait, or ask less often",
}
FINISHES: Final[Mapping[str, FinishReason]] = {"stop": "stop", "length": "length"}


class RemoteWriter:
    """A model behind an OpenAI-compatible address.

    Args:
        base_url: address of the API, such as "http://127.0.0.1:8000/v1".
        model: the model's name there.
        api_key: sent as a bearer token, if given.
        timeout: seconds to wait for a connection, and for each next piece of a reply.
        context: tokens that prompt and reply may take together, if known.
        extra: further fields of the request, sent as they are; what gesso has no setting for, such as
            `{"guided_grammar": ...}` of vLLM or `{"top_k": 40}`.

    Raises:
        UsageError: the address is no http(s) URL, or the timeout is not above 0.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        context: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise UsageError(f"base_url {base_url!r}; it must begin with http:// or https://")
        if not timeout > 0:
            raise UsageError(f"timeout is {timeout}; it must be above 0 seconds")
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._context = context
        self._extra = dict(extra or {})

    @property
    def context(self) -> int | None:
        """How many tokens prompt and reply may take together; None if unknown."""
        return self._context

    def count(self, messages: Sequence[Message]) -> int:
        """About how many tokens the prompt for these messages takes."""
        return sum(8 + len(message.text) // LETTERS_PER_TOKEN for message in messages)

    def write(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> "RemoteWriting":
        """Reply to a conversation; arguments as in `Writer.write`. Asks when the first piece is read.

        Raises:
            UnsupportedError: a sampling setting that OpenAI's API does not have.
            EndpointError: when pieces are read: the server cannot be reached, refuses, or breaks off.
        """
        body = {
            "model": self._model,
            "messages": [message.to_openai() for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **_wire_sampling(sampling),
            **self._extra,
        }
        return RemoteWriting(self._events(body), self._url, cancelled)

    def _events(self, body: Mapping[str, Any]) -> Generator[str, None, None]:
        """The data of each event of the reply."""
        try:
            with (
                httpx2.Client(timeout=self._timeout, headers=self._headers) as client,
                client.stream("POST", self._url, json=body) as response,
            ):
                self._check(response)
                yield from (event.data for event in httpx2.EventSource(response))
        except httpx2.TimeoutException as error:
            problem = f"sent nothing for {self._timeout:g} seconds; see whether it is at work, or wait longer"
            raise EndpointError(f"{self._url} {problem}") from error
        except httpx2.ConnectError as error:
            problem = f"cannot be reached: {error}; is the server running there?"
            raise EndpointError(f"{self._url} {problem}") from error
        except (httpx2.HTTPError, httpx2.SSEError, httpx2.InvalidURL) as error:
            problem = f"broke off or sent no event stream: {error}; try again"
            raise EndpointError(f"{self._url} {problem}") from error

    def _check(self, response: httpx2.Response) -> None:
        if response.is_success:
            return
        response.read()
        status = f"{response.status_code} {response.reason_phrase}"
        advice = ADVICE.get(response.status_code, "see the server's log")
        raise EndpointError(f"{self._url} answers {status}: {_said(response)} ({advice})")


class RemoteWriting(Iterator[str]):
    """A reply of a server as it comes; see `Writing`.

    Args:
        events: the data of each event.
        url: the address, for messages.
        cancelled: asked before each piece; True ends the reply.
    """

    def __init__(
        self, events: Generator[str, None, None], url: str, cancelled: Callable[[], bool] | None
    ) -> None:
        self._events = events
        self._url = url
        self._cancelled = cancelled
        self._finish: FinishReason | None = None
        self._stats = PlanStats(passes=None)

    def __next__(self) -> str:
        """The next piece of text; errors as in `RemoteWriter.write`."""
        while True:
            if self._cancelled is not None and self._cancelled():
                self.close()
                raise StopIteration
            data = next(self._events, None)
            if data is None or data.strip() == "[DONE]":
                self._end(done=data is not None)
                raise StopIteration
            if text := self._text(data):
                return text

    @property
    def finish_reason(self) -> FinishReason:
        """Why it ended; "cancelled" as long as it has not."""
        return self._finish or "cancelled"

    @property
    def stats(self) -> PlanStats:
        """What it took, as the server counted; zeros where it does not tell."""
        return self._stats

    def close(self) -> None:
        """End it here; the server is told by the closed connection."""
        self._events.close()

    def _end(self, *, done: bool) -> None:
        self._events.close()
        if self._finish is None and not done:
            raise EndpointError(f"{self._url} broke off in the middle of the reply; try again")
        self._finish = self._finish or "stop"

    def _text(self, data: str) -> str:
        """What an event adds to the reply."""
        event = self._parsed(data)
        if event.get("error"):
            raise EndpointError(f"{self._url} stopped the reply: {_error_text(event['error'])}")
        if usage := _mapping(event.get("usage")):
            counts = (int(usage.get(f"{name}_tokens") or 0) for name in ("prompt", "completion"))
            self._stats = PlanStats(prompt_tokens=next(counts), tokens=next(counts), passes=None)
        choice = _mapping(next(iter(event.get("choices") or ()), None))
        if reason := choice.get("finish_reason"):
            if reason not in FINISHES:
                raise EndpointError(f"{self._url} ended the reply for the reason {reason!r}; "
                                    "put the wish in other words")  # fmt: skip
            self._finish = FINISHES[reason]
        return str(_mapping(choice.get("delta")).get("content") or "")

    def _parsed(self, data: str) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except ValueError as error:
            raise EndpointError(f"{self._url} sent {data[:SHOWN]!r}, which is no JSON; "
                                "is it an OpenAI-compatible server?") from error  # fmt: skip
        if not isinstance(event, dict):
            raise EndpointError(f"{self._url} sent {data[:SHOWN]!r}; a JSON object was expected")
        return event


def _mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, empty where something else came."""
    return value if isinstance(value, dict) else {}


def _wire_sampling(sampling: Sampling) -> dict[str, Any]:
    """Sampling settings as fields of OpenAI's request."""
    for name, neutral in (("top_k", 0), ("repetition_penalty", 1.0), ("num_beams", 1)):
        if getattr(sampling, name) != neutral:
            raise UnsupportedError(f"{name} is not part of OpenAI's chat API; leave it out, or send "
                                   "the server's own field with extra={...}")  # fmt: skip
    optional = {"seed": sampling.seed, "stop": list(sampling.stop) or None}
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _said(response: httpx2.Response) -> str:
    """What a server says about its refusal."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:SHOWN] or "no reason given"
    return _error_text(body.get("error", body) if isinstance(body, dict) else body)


def _error_text(error: Any) -> str:
    """The message of an OpenAI error object, or whatever came in its place."""
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or error)[:SHOWN]
