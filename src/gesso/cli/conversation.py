"""The state of an interactive chat: what was said, and how it is taken back or changed (no torch)."""

import json
from base64 import b64encode
from pathlib import Path

from gesso.core.errors import MediaError, UsageError
from gesso.core.messages import Audio, Image, Message, Text, assistant, user

__all__ = ["Conversation"]


class Conversation:
    """Messages so far, and pictures and sounds that wait for the next question.

    Args:
        opening: messages before the first question, such as a system message; they survive a reset.
    """

    def __init__(self, opening: tuple[Message, ...] = ()) -> None:
        self._opening = opening
        self.messages: list[Message] = list(opening)
        self.waiting: list[Image | Audio] = []

    @property
    def images(self) -> list[Image]:
        """All pictures so far, those that wait included."""
        waiting = [part for part in self.waiting if isinstance(part, Image)]
        return [image for message in self.messages for image in message.images] + waiting

    def show(self, path: str) -> None:
        """Put a picture before the next question.

        Raises:
            MediaError: there is no such file.
        """
        self.waiting.append(Image(_present(path, "picture")))

    def play(self, source: str | bytes) -> None:
        """Put a sound before the next question: a path, a URL, or the bytes of a wav file.

        Raises:
            MediaError: there is no such file.
        """
        if isinstance(source, bytes):
            # as a URL, in which form a conversation is saved
            self.waiting.append(Audio("data:audio/wav;base64," + b64encode(source).decode(), "wav"))
        else:
            self.waiting.append(Audio(_present(source, "sound")))

    def ask(self, question: str) -> None:
        """The user's next message, with what waits; a question by voice may have no words."""
        # pictures first, as every template of a LLaVA puts them
        self.messages.append(user(*self.waiting, *([question] if question else [])))
        self.waiting = []

    def answer(self, text: str) -> None:
        """The model's answer to it."""
        self.messages.append(assistant(text))

    def reset(self) -> None:
        """Forget everything but the opening."""
        self.messages, self.waiting = list(self._opening), []

    def take_back(self) -> None:
        """Forget the last question, because it could not be answered."""
        self.messages.pop()

    def regenerate(self) -> None:
        """Forget the last answer, so that its question is open again.

        Raises:
            UsageError: nothing was answered yet.
        """
        if not self.messages or self.messages[-1].role != "assistant":
            raise UsageError("there is no answer to make anew; ask something first")
        self.messages.pop()

    def edit(self, number: int, question: str) -> None:
        """Replace a question, keep its pictures and sounds, and forget what came after it.

        Args:
            number: which question, counted from 1.
            question: its new text.

        Raises:
            UsageError: there are not so many questions.
        """
        places = [place for place, message in enumerate(self.messages) if message.role == "user"]
        if not 1 <= number <= len(places):
            raise UsageError(
                f"there is no question {number}, {len(places)} were asked; the first is number 1"
            )
        place = places[number - 1]
        kept = [part for part in self.messages[place].parts if not isinstance(part, Text)]
        # all behind it answered the old question
        self.messages[place:] = [Message("user", (*kept, Text(question)))]

    def save(self, path: str) -> None:
        """Write the conversation as a JSON list of OpenAI chat messages.

        Raises:
            UsageError: the file cannot be written.
        """
        # in the form every server and library reads, so that a talk can go on elsewhere
        text = json.dumps([message.to_openai() for message in self.messages], ensure_ascii=False, indent=2)
        try:
            Path(path).expanduser().write_text(text + "\n", "utf-8")
        except OSError as error:
            raise UsageError(
                f"cannot write {path!r} ({error.strerror}); give a file in an existing folder"
            ) from error


def _present(path: str, noun: str) -> str:
    """A path as it was typed, with its file there; URLs are left to their reader."""
    if "://" in path or path.startswith("data:"):
        return path
    path = str(Path(path).expanduser())  # no shell has done so with what is typed after a command
    if not Path(path).is_file():
        raise MediaError(f"there is no {noun} {path!r}; give the path of a file")
    return path
