"""Passes of the language model per canvas, plain and as the planner decodes; prints one line of JSON.

Each storybook scene is planned, then edited once. "plain" decodes token by token, one pass each. "grammar"
appends forced text unasked, "draft" verifies tokens of the last reply, "both" does both. Shares are passes
made, of those that plain decoding makes for the same reply.

The model is mini-omost where it is installed. Else it is a recital: a model that knows the right reply by
heart, in the minis' tokenizer. What is measured is then what any planner takes that answers right.

Run: python benchmarks/plan_passes.py --scenes 20
"""

import argparse
import json
import statistics
from pathlib import Path
from random import Random
from typing import Any

import torch
from report import setting
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

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
from gesso.storybook.compose import canvas_program, edit
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import wish

WAYS = {"plain": (False, False), "grammar": (True, False), "draft": (False, True), "both": (True, True)}
POSITIONS = 4096


class Recital(LlamaForCausalLM):
    """A model that says one text, whatever it is asked: behind each position comes the next of `script`."""

    script: torch.Tensor

    def forward(self, **inputs: Any) -> Any:
        output = super().forward(**inputs)
        behind = inputs["position_ids"][0, -inputs["logits_to_keep"] :] + 1
        output.logits = torch.nn.functional.one_hot(self.script[behind], self.config.vocab_size).float()[None]
        return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        chat, name = trained_chat(mini_folder(find("mini-omost"))), "mini-omost"
    except CheckpointError:
        chat, name = recital(), "recital"
    planners = {
        way: local_planner(chat, STORYBOOK_SETTINGS, constrain=constrain, draft=draft, before=" ")
        for way, (constrain, draft) in WAYS.items()
    }
    figures: dict[str, list[tuple[int, int]]] = {
        f"{turn}_{way}": [] for turn in ("plan", "edit") for way in WAYS
    }
    same = 0
    for number in range(options.scenes):
        rng = Random(f"plan_passes/{options.seed}/{number}")
        same += measure(planners, chat, options.seed, number, rng, figures)
    report: dict[str, object] = {
        "benchmark": "plan_passes",
        "model": name,
        "scenes": options.scenes,
        "edits_same_with_and_without_draft": same,
    }
    for figure, values in figures.items():
        report[f"{figure}_passes"] = (
            round(statistics.mean(passes for passes, _ in values), 1) if values else None
        )
        report[f"{figure}_share"] = (
            round(sum(passes for passes, _ in values) / sum(tokens for _, tokens in values), 3)
            if values
            else None
        )
    print(json.dumps({**report, **setting()}))


def measure(
    planners: dict[str, Planner],
    chat: Chat,
    seed: int,
    number: int,
    rng: Random,
    figures: dict[str, list[tuple[int, int]]],
) -> bool:
    """Plan a scene and edit it, each way; returns whether the draft changed nothing about the edit."""
    scene = scene_at("test", seed, number)
    try:
        change = edit(scene, rng)
    except UnsupportedError:  # no edit keeps it in its split
        return True
    asked, before, after = wish(scene, rng), canvas_program(scene), canvas_program(change.scene)
    replies = {}
    for way, planner in planners.items():
        for turn, request, history, reply in (
            ("plan", asked, [], before),
            ("edit", change.instruction, [Turn(asked, before)], after),
        ):
            learn(chat, planner, request, history, reply)
            try:
                plan = planner.plan(request, history=history, sampling=Sampling(max_new_tokens=1000))
            except CanvasError:  # a model that writes freely may write no canvas
                continue
            replies[turn, way] = plan.reply
            figures[f"{turn}_{way}"].append((plan.stats.passes or 0, plan.stats.tokens))
    return all(
        replies.get(("edit", a)) == replies.get(("edit", b))
        for a, b in (("plain", "draft"), ("grammar", "both"))
    )


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
