"""Passes of the language model per canvas, plain and as the planner decodes; prints one line of JSON.

Each storybook scene is planned, then edited once. "plain" decodes token by token, one pass each. "grammar"
appends forced text unasked, "draft" verifies tokens of the last reply, "both" does both, as `gesso plan`
does. Shares are passes made, of those that plain decoding makes for the same reply. Edits are counted whose
reply is the same with and without a draft, and, where the plain reply is already as the grammar has it, with
and without both.

The model is mini-omost where it is installed. Else it is a recital: a model that knows the right reply by
heart, in the minis' tokenizer. What is measured is then what any planner takes that answers right.

Run: python benchmarks/plan_passes.py --scenes 20
"""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from report import setting
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from gesso.canvas.grammar import program_in
from gesso.canvas.notes import NOTE, note_of
from gesso.canvas.parse import read_canvas
from gesso.core.errors import CanvasError, CheckpointError, UnsupportedError
from gesso.core.sampling import Sampling
from gesso.engines.catalog import find, mini_folder
from gesso.engines.chat import Chat
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Planner
from gesso.engines.plan_build import STORYBOOK_SETTINGS, build_planner, local_planner
from gesso.engines.plan_turns import Turn
from gesso.engines.text_chat import TextChat, TextProcessor
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.omost.prompts import history_messages
from gesso.storybook.compose import canvas_program, edit, order_after
from gesso.storybook.notes import edit_note, plan_note
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import wish

WAYS = {"plain": (False, False), "grammar": (True, False), "draft": (False, True), "both": (True, True)}
POSITIONS = 4096
GREEDY = Sampling(max_new_tokens=1000)


class Recital(LlamaForCausalLM):
    """A model that says one text, whatever it is asked: behind each position comes the next of `script`."""

    script: torch.Tensor

    def forward(self, **inputs: Any) -> Any:
        output = super().forward(**inputs)
        behind = inputs["position_ids"][0, -inputs["logits_to_keep"] :] + 1
        output.logits = torch.nn.functional.one_hot(self.script[behind], self.config.vocab_size).float()[None]
        return output


@dataclass(slots=True)
class Count:
    """What the scenes add up to: passes and tokens of each turn and way, and how replies to edits compare."""

    made: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    edits: int = 0
    edits_whole: int = 0
    edits_same_draft: int = 0
    edits_same: int = 0

    def compare(self, replies: dict[str, str]) -> None:
        """Take one edit's replies, by way, into account."""
        self.edits += 1
        pairs = (("plain", "draft"), ("grammar", "both"))
        self.edits_same_draft += all(replies.get(a) == replies.get(b) for a, b in pairs)
        # where the plain reply is a canvas of the grammar's form, the grammar had nothing to change
        if "plain" in replies and in_grammar(replies["plain"]):
            self.edits_whole += 1
            self.edits_same += replies["plain"] == replies.get("both")

    def report(self) -> dict[str, object]:
        """Mean passes, shares, and counts."""
        figures: dict[str, object] = {}
        for name, values in self.made.items():
            passes, tokens = (sum(column) for column in zip(*values, strict=True))
            figures[f"{name}_passes"] = round(passes / len(values), 1)
            figures[f"{name}_share"] = round(passes / tokens, 3)
        return {
            **figures,
            "edits": self.edits,
            "edits_same_with_and_without_draft": self.edits_same_draft,
            "edits_plain_in_grammar": self.edits_whole,
            "of_these_same_as_ours": self.edits_same,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="folder of another planner that gesso trained")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chat, name = find_chat(options.model)
    planners = {
        way: local_planner(chat, STORYBOOK_SETTINGS, constrain=constrain, draft=draft, before=" ")
        for way, (constrain, draft) in WAYS.items()
    }
    count = Count()
    for number in range(options.scenes):
        rng = Random(f"plan_passes/{options.seed}/{number}")
        measure(planners, chat, scene_at("test", options.seed, number), rng, count)
    report = {"benchmark": "plan_passes", "model": name, "scenes": options.scenes, "seed": options.seed}
    print(json.dumps({**report, **count.report(), **setting()}))


def measure(planners: dict[str, Planner], chat: Chat, scene: Scene, rng: Random, count: Count) -> None:
    """Plan a scene and edit it, each way; a scene that cannot be edited within its split is left out."""
    try:
        change = edit(scene, rng)
    except UnsupportedError:
        return
    asked = wish(scene, rng)
    order = order_after(asked.things, scene, change.scene)
    before = plan_note(asked) + canvas_program(scene, order=asked.things)
    after = edit_note(asked.things, scene, change.scene) + canvas_program(change.scene, order=order)
    edits = {}
    for way, planner in planners.items():
        for turn, request, history, reply in (
            ("plan", asked.text, [], before),
            ("edit", change.instruction, [Turn(asked.text, before)], after),
        ):
            learn(chat, planner, request, history, reply)
            try:
                plan = planner.plan(request, history=history, sampling=GREEDY)
            except CanvasError:  # a model that writes freely may write no canvas
                continue
            if plan.refusals:  # a second try is another reply
                continue
            count.made[f"{turn}_{way}"].append((plan.stats.passes or 0, plan.stats.tokens))
            if turn == "edit":
                edits[way] = plan.reply
    count.compare(edits)


def in_grammar(reply: str) -> bool:
    """Whether a reply is as the grammar has them: a note, and a program as its canvas is written."""
    note = note_of(reply)
    program = program_in(read_canvas(reply).canvas, STORYBOOK_SETTINGS.shape.layout).strip()
    return bool(note) and reply.strip() == f"{NOTE}{note}\n{program}"


def learn(chat: Chat, planner: Planner, request: str, history: list[Turn], reply: str) -> None:
    """Have the recital say this reply; a trained model knows for itself."""
    model = chat.model.language_model
    if not isinstance(model, Recital):
        return
    rows = [(turn.wish, turn.reply) for turn in history]
    prompt = chat.processor.encode(history_messages(rows, request, planner.settings.system)).ids
    tokenizer = chat.processor.tokenizer
    ids = tokenizer.encode(f" {reply}", add_special_tokens=False)
    script = [*prompt, *ids, *[tokenizer.eos_token_id] * POSITIONS]
    model.script = torch.tensor(script)


def find_chat(folder: Path | None) -> tuple[Chat, str]:
    """The model that is measured, and its name."""
    if folder is not None:
        return trained_chat(folder), str(folder)
    try:
        return trained_chat(mini_folder(find("mini-omost"))), "mini-omost"
    except CheckpointError:
        return recital(), "recital"


def trained_chat(folder: Path) -> Chat:
    writer: Any = build_planner(folder, LoadOptions()).writer
    chat: Chat = writer.chat
    return chat


def recital() -> Chat:
    tokenizer = AutoTokenizer.from_pretrained(mini_folder(find("mini-lm")))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=POSITIONS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    settings = LlavaSettings(template="storybook", max_length=POSITIONS)
    processor = TextProcessor(LlavaProcessor(tokenizer, settings))
    return Chat(TextChat(Recital(config).eval()), processor)


if __name__ == "__main__":
    main()
