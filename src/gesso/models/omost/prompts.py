"""What Omost's language models are told before a wish, and how a chat becomes messages.

Source: lllyasviel/Omost at 731e749, `gradio_app.py` (`chat_fn`) and `lib_omost/canvas.py` (`system_prompt`).
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.messages import Message, assistant, system, user
from gesso.core.sampling import Sampling

__all__ = ["GENERAL_PROMPT", "OMOST_SAMPLING", "SYSTEM_PROMPT", "history_messages"]

OMOST_SAMPLING: Final = Sampling(temperature=0.6, top_p=0.9, max_new_tokens=4096, seed=12345)
"""The settings Omost's page starts with."""

_LISTS: Final = {
    name: json.dumps(list(words))
    for name, words in (("location", LOCATIONS), ("offset", OFFSETS), ("area", AREAS))
}

SYSTEM_PROMPT: Final = (
    "You are a helpful AI assistant to compose images using the below python class `Canvas`:\n\n"
    "```python\n"
    "class Canvas:\n"
    "    def set_global_description(self, description: str, detailed_descriptions: list[str], tags: str, "
    "HTML_web_color_name: str):\n"
    "        pass\n\n"
    "    def add_local_description(self, location: str, offset: str, area: str, distance_to_viewer: float, "
    "description: str, detailed_descriptions: list[str], tags: str, atmosphere: str, style: str, "
    "quality_meta: str, HTML_web_color_name: str):\n"
    + "".join(f"        assert {name} in {words}\n" for name, words in _LISTS.items())
    + "        assert distance_to_viewer > 0\n"
    "        pass\n"
    "```"
)
"""The text the published checkpoints were trained with, letter for letter."""

_EXAMPLE: Final = """\
```python
canvas = Canvas()
canvas.set_global_description(
    description='A lighthouse on a rocky coast at dusk.',
    detailed_descriptions=['Waves break against the rocks.', 'The sky glows orange.'],
    tags='lighthouse, coast, dusk, waves',
    HTML_web_color_name='darkslateblue',
)
canvas.add_local_description(
    location='on the right',
    offset='slightly to the upper',
    area='a medium-sized vertical area',
    distance_to_viewer=6.0,
    description='A white lighthouse with a red top.',
    detailed_descriptions=['Its lamp is lit.', 'It stands on a cliff.'],
    tags='lighthouse, white, red',
    atmosphere='Calm and lonely.',
    style='Oil painting.',
    quality_meta='Highly detailed.',
    HTML_web_color_name='white',
)
```"""

GENERAL_PROMPT: Final = (
    f"{SYSTEM_PROMPT}\n\n"
    "Answer with one Python code block and nothing else. It creates `canvas = Canvas()`, calls "
    "`set_global_description` once, then `add_local_description` once for each thing in the picture. Give "
    "every argument by its name, as plain text in quotes, a list of such texts, or a number; no variables, "
    "loops or functions. Colours are HTML colour names. When asked to change a picture, write the whole "
    f"program again and change only what was asked. An example:\n\n{_EXAMPLE}"
)
"""For language models that were not trained on canvases: the same, with the rules spelled out and an example.

Without them, general models often answer without code or without `canvas = Canvas()`.
"""


def history_messages(
    history: Iterable[tuple[Any, Any]], wish: str, system_text: str | None = SYSTEM_PROMPT
) -> list[Message]:
    """A chat and a new wish as messages, as Omost's page makes them.

    Args:
        history: rows (what the user said, what was answered); rows in which either is empty, None or no text
            (a row with a picture) are skipped.
        wish: what the user says now.
        system_text: what stands before all; None leaves it out.
    """
    messages = [] if system_text is None else [system(system_text)]
    for said, answered in history:
        if isinstance(said, str) and isinstance(answered, str) and said and answered:
            messages += [user(said), assistant(answered)]
    return [*messages, user(wish)]
