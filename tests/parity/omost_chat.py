"""Checks of what Omost's language models are told against the original: system text, messages, settings."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import chat_templates
from gesso.models.omost.processor import TemplateProcessor
from gesso.models.omost.prompts import OMOST_SAMPLING, SYSTEM_PROMPT, history_messages

__all__ = ["CHECKS"]

STANDS_FOR: Final = "<SYSTEM_PROMPT>"


def check_chat_prompt(case: Path) -> None:
    """The system text to the letter, the messages of each chat, the settings, and the prompts as text."""
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    assert expected["system_prompt"] == SYSTEM_PROMPT
    assert sha256(SYSTEM_PROMPT.encode()).hexdigest() == expected["system_prompt_sha256"]
    for name in ("temperature", "top_p", "max_new_tokens", "seed"):
        assert getattr(OMOST_SAMPLING, name) == expected["defaults"][name]
    for entry in expected["cases"]:
        messages = history_messages([tuple(row) for row in entry["history"]], entry["message"])
        said = [{"role": message.role, "content": message.text} for message in messages]
        assert said == [_filled(message) for message in entry["messages"]], entry["id"]
        for template, text in entry["rendered"].items():
            rendered = TemplateProcessor(chat_templates.tokenizer(template)).render(messages)
            assert rendered == text.replace(STANDS_FOR, SYSTEM_PROMPT), (entry["id"], template)


def _filled(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": message["content"].replace(STANDS_FOR, SYSTEM_PROMPT)}


CHECKS: Final = {"omost/chat-prompt": check_chat_prompt}
