"""Conversation templates by name: the fixed texts around what user and assistant say.

Those of LLaVA (haotian-liu/LLaVA at c121f04, `llava/conversation.py`) keep their names and exact texts;
those of Mini-Gemini (dvlab-research/MGM at 769820c, `mgm/conversation.py`) that LLaVA has not are
`gemma`, `llama_3` and `mixtral_instruct` (its mistral_instruct); `megrez` is that of Megrez-3B-Omni, from
public integrations of it; `storybook` is gesso's own.
`gesso.models.rendering` lays conversations out with them.
"""

from dataclasses import dataclass, replace
from typing import Final

from gesso.core.errors import UnknownNameError

__all__ = ["TEMPLATES", "Template", "get_template", "storybook_jinja", "template_name_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The fixed texts of a conversation.

    Attributes:
        name: the name in messages to users.
        system: default system text; None if the format has no place for one.
        around_system: texts before and after the system text.
        system_in_turn: whether the system text stands inside the first user turn.
        around_user: texts before and after what the user says.
        between: text between an answer and the next user turn.
        opening: text that opens the assistant's turn; a prompt ends with it.
        around_answer: texts before and after an answer; None after it means the tokenizer's end token.
        around_picture: texts before and after each picture.
        around_sound: texts before and after each sound, where `{number}` counts them from 1; None if the
            format has no place for sounds.
        break_after_media: whether a line break follows pictures and sounds also where no text does.
        example: turns (user, assistant) that stand before every conversation.
        captions: whether the format is a picture and its caption, without a question.
    """

    name: str
    system: str | None = None
    around_system: tuple[str, str] = ("", "")
    system_in_turn: bool = False
    around_user: tuple[str, str]
    between: str = ""
    opening: str
    around_answer: tuple[str, str | None]
    around_picture: tuple[str, str] = ("", "")
    around_sound: tuple[str, str] | None = None
    break_after_media: bool = False
    example: tuple[tuple[str, str], ...] = ()
    captions: bool = False

    @property
    def stop(self) -> str | None:
        """Text at which an answer ends; None means the tokenizer's end token alone."""
        end = self.around_answer[1]
        # without blanks, which a model may leave out; but the "\n" of a caption must not become nothing
        return end and (end.strip() or end)


def get_template(name: str) -> Template:
    """The template of a name.

    Raises:
        UnknownNameError: there is none; the near names are listed.
    """
    if name not in TEMPLATES:
        raise UnknownNameError("template", name, TEMPLATES)
    return TEMPLATES[name]


def template_name_for(checkpoint: str) -> str:
    """The template that LLaVA's command line chooses for a checkpoint (`llava/serve/cli.py`).

    Args:
        checkpoint: folder or hub name; its last part decides, with the part before it for "checkpoint-N".
    """
    *parents, name = checkpoint.strip("/").split("/")
    if name.startswith("checkpoint-") and parents:
        name = f"{parents[-1]}_{name}"
    # in the original's order: "llava-v1.6-mistral-7b" is a mistral first, and "v1" only after "v1.6-34b"
    for part, template in (
        ("llama-2", "llava_llama_2"),
        ("mistral", "mistral_instruct"),
        ("v1.6-34b", "chatml_direct"),
        ("v1", "llava_v1"),
        ("mpt", "mpt"),
    ):
        if part in name.lower():
            return template
    return "llava_v0"


def storybook_jinja() -> str:
    """The `storybook` template as a chat template for `tokenizer.apply_chat_template`.

    Content is a string or a list of OpenAI-like parts; each picture becomes the tokenizer's `<image>`.
    """
    return _STORYBOOK_JINJA


# These texts are LLaVA's to the letter, uneven spacing included: models were trained with them, and another
# blank is another prompt. So is the missing blank between two sentences of _MMTAG_SYSTEM.
_HUMAN_SYSTEM: Final = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
_USER_SYSTEM: Final = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_MMTAG_SYSTEM: Final = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant is able to understand the visual content that the user provides, "
    "and assist the user with a variety of tasks using natural language."
    "The visual content will be provided with the following format: <Image>visual content</Image>."
)
_LLAMA_2_SYSTEM: Final = (
    "You are a helpful, respectful and honest assistant. "
    "Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal "
    "content. Please ensure that your responses are socially unbiased and positive in nature.\n\n"
    "If a question does not make any sense, or is not factually coherent, explain why instead of answering "
    "something not correct. If you don't know the answer to a question, please don't share false information."
)
_LLAVA_LLAMA_2_SYSTEM: Final = (
    "You are a helpful language and vision assistant. "
    "You are able to understand the visual content that the user provides, "
    "and assist the user with a variety of tasks using natural language."
)
_MPT_SYSTEM: Final = (
    "A conversation between a user and an LLM-based AI assistant. "
    "The assistant gives helpful and honest answers."
)
_ENERGY_QUESTION: Final = "What are the key differences between renewable and non-renewable energy sources?"
_ENERGY_ANSWER: Final = (
    "Renewable energy sources are those that can be replenished naturally in a relatively "
    "short amount of time, such as solar, wind, hydro, geothermal, and biomass. "
    "Non-renewable energy sources, on the other hand, are finite and will eventually be "
    "depleted, such as coal, oil, and natural gas. Here are some key differences between "
    "renewable and non-renewable energy sources:\n"
    "1. Availability: Renewable energy sources are virtually inexhaustible, while non-renewable "
    "energy sources are finite and will eventually run out.\n"
    "2. Environmental impact: Renewable energy sources have a much lower environmental impact "
    "than non-renewable sources, which can lead to air and water pollution, greenhouse gas emissions, "
    "and other negative effects.\n"
    "3. Cost: Renewable energy sources can be more expensive to initially set up, but they typically "
    "have lower operational costs than non-renewable sources.\n"
    "4. Reliability: Renewable energy sources are often more reliable and can be used in more remote "
    "locations than non-renewable sources.\n"
    "5. Flexibility: Renewable energy sources are often more flexible and can be adapted to different "
    "situations and needs, while non-renewable sources are more rigid and inflexible.\n"
    "6. Sustainability: Renewable energy sources are more sustainable over the long term, while "
    "non-renewable sources are not, and their depletion can lead to economic and social instability.\n"
)

# 1.0: "###" ends every turn, in ordinary letters, as LLaMA's tokenizer has no such token
_LLAVA_V0: Final = Template(
    name="llava_v0",
    system=_HUMAN_SYSTEM,
    around_system=("", "###"),
    around_user=("Human: ", "###"),
    opening="Assistant:",
    around_answer=(" ", "###"),
)
# 1.5 and 1.6 on Vicuna; the end token is the separator
_VICUNA_V1: Final = Template(
    name="vicuna_v1",
    system=_USER_SYSTEM,
    around_system=("", " "),
    around_user=("USER: ", " "),
    opening="ASSISTANT:",
    around_answer=(" ", "</s>"),
)
# Meta's own format: the system text inside the first [INST], each further pair of turns with its own <s>
_LLAMA_2: Final = Template(
    name="llama_2",
    system=_LLAMA_2_SYSTEM,
    around_system=("<<SYS>>\n", "\n<</SYS>>\n\n"),
    system_in_turn=True,
    around_user=("[INST] ", " [/INST]"),
    between="<s>",
    opening="",
    around_answer=(" ", " </s>"),
)
# ChatML; the end of a turn has no line break behind it, unlike in OpenAI's own description
_MPT: Final = Template(
    name="mpt",
    system=_MPT_SYSTEM,
    around_system=("<|im_start|>system\n", "<|im_end|>"),
    around_user=("<|im_start|>user\n", "<|im_end|>"),
    opening="<|im_start|>assistant\n",
    around_answer=("", "<|im_end|>"),
)
_DEFAULT: Final = replace(_LLAVA_V0, name="v0", example=((_ENERGY_QUESTION, _ENERGY_ANSWER),))
_CHATML_DIRECT: Final = replace(_MPT, name="chatml_direct", system="Answer the questions.")
# the first stage of training: pictures and captions, no speakers
_PLAIN: Final = Template(
    name="plain", around_user=("", "\n"), opening="", around_answer=("", "\n"), captions=True
)
# Google's own format, but for the end token behind each answer
_GEMMA: Final = Template(
    name="gemma",
    around_user=("<start_of_turn>user\n", "<end_of_turn>\n"),
    opening="<start_of_turn>model\n",
    around_answer=("", "<end_of_turn>\n<eos>"),
)
_LLAMA_3: Final = Template(
    name="llama_3",
    system=_LLAVA_LLAMA_2_SYSTEM,
    around_system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
    around_user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
    # "system" where Meta has "assistant": a slip, but the published model was trained with it
    opening="<|start_header_id|>system<|end_header_id|>\n\n",
    around_answer=("", "<|eot_id|>"),
)
_MEGREZ: Final = Template(
    name="megrez",
    system="你是Megrez-3B-Instruct，将针对用户的问题给出详细的、积极的回答。",
    around_system=("<|role_start|>system<|role_end|>", "<|turn_end|>"),
    around_user=("<|role_start|>user<|role_end|>", "<|turn_end|>"),
    opening="<|role_start|>assistant<|role_end|>",
    around_answer=("", "<|turn_end|>"),
    around_sound=("Audio {number}: <|audio_start|>", "<|audio_end|>"),
    break_after_media=True,
)
# without the system text, which would be most of what a mini reads
_MEGREZ_PLAIN: Final = replace(_MEGREZ, name="megrez_plain", system="")
_MMTAG: Final = ("<Image>", "</Image>")

TEMPLATES: Final[dict[str, Template]] = {
    # several names for one template: checkpoints and training scripts use them all
    "default": _DEFAULT,
    "v0": _DEFAULT,
    "v1": _VICUNA_V1,
    "vicuna_v1": _VICUNA_V1,
    "llama_2": _LLAMA_2,
    "mistral_instruct": replace(_LLAMA_2, name="mistral_instruct", system="", between=""),
    "mixtral_instruct": replace(_LLAMA_2, name="mixtral_instruct", system=""),
    "chatml_direct": _CHATML_DIRECT,
    "mistral_direct": _CHATML_DIRECT,
    "plain": _PLAIN,
    "v0_plain": _PLAIN,
    "llava_v0": _LLAVA_V0,
    "v0_mmtag": replace(_LLAVA_V0, name="v0_mmtag", system=_MMTAG_SYSTEM, around_picture=_MMTAG),
    "llava_v1": replace(_VICUNA_V1, name="llava_v1", system=_HUMAN_SYSTEM),
    "v1_mmtag": replace(_VICUNA_V1, name="v1_mmtag", system=_MMTAG_SYSTEM, around_picture=_MMTAG),
    "llava_llama_2": replace(_LLAMA_2, name="llava_llama_2", system=_LLAVA_LLAMA_2_SYSTEM),
    "mpt": _MPT,
    "gemma": _GEMMA,
    "llama_3": _LLAMA_3,
    "megrez": _MEGREZ,
    "megrez_plain": _MEGREZ_PLAIN,
    "storybook": Template(
        # the minis' own: no system text, and role names that are whole tokens of theirs (`train.texts`)
        name="storybook",
        around_user=("USER: ", ""),
        opening=" ASSISTANT:",
        around_answer=(" ", None),
    ),
}
"""Every template; several names may share one."""

_STORYBOOK_JINJA: Final = """\
{%- for message in messages -%}
{%- if message.content is string -%}
{%- set parts = [{"type": "text", "text": message.content}] -%}
{%- else -%}
{%- set parts = message.content -%}
{%- endif -%}
{%- set texts = parts | selectattr("type", "equalto", "text") | map(attribute="text") | join -%}
{%- set pictures = parts | selectattr("type", "in", ["image", "image_url"]) | list -%}
{%- if message.role == "user" -%}
{{- "USER: " -}}
{%- for picture in pictures -%}
{{- "<image>" + ("" if loop.last and not texts else "\\n") -}}
{%- endfor -%}
{{- texts -}}
{%- elif message.role == "assistant" -%}
{{- " ASSISTANT: " + texts + eos_token -}}
{%- else -%}
{{- raise_exception("this model has no place for a message of the " + message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- " ASSISTANT:" -}}
{%- endif -%}
"""
