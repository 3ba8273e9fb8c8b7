import pytest
import torch

from engines.planning import TOKENIZER, ScriptedLlama, ScriptedModel, canvas, program
from gesso.canvas.grammar import ReplyShape, reply_grammar
from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Message, assistant, user
from gesso.core.sampling import Sampling
from gesso.engines.chat import Chat
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_local import LocalWriter
from gesso.models.omost.processor import TemplateProcessor

SETTINGS = PlanSettings(system=None, shape=ReplyShape(layout="line"), sampling=Sampling(max_new_tokens=1000))
FISH, BOAT = program("red fish", "pink cat"), program("red fish", "blue boat")


class Trained:
    """A planner whose model knows what to say next."""

    def __init__(self, *, grammar: bool = True, draft: bool = True, positions: int = 4096) -> None:
        self.model = ScriptedLlama(TOKENIZER, positions)
        self.chat = Chat(ScriptedModel(self.model), TemplateProcessor(TOKENIZER))
        text = reply_grammar(SETTINGS.shape) if grammar else None
        self.writer = LocalWriter(self.chat, grammar=text, draft=draft)
        self.planner = Planner(self.writer, SETTINGS)

    def will_say(self, reply: str, *messages: Message) -> None:
        self.model.learn(self.chat.processor.encode(messages).ids, reply, TOKENIZER)


@pytest.mark.parametrize(("grammar", "draft"), [(True, True), (True, False), (False, True), (False, False)])
def test_an_edit_is_the_same_however_it_is_decoded_and_tells_its_passes(grammar: bool, draft: bool) -> None:
    trained = Trained(grammar=grammar, draft=draft)
    trained.will_say(FISH, user("a fish and a cat"))
    first = trained.planner.plan("a fish and a cat")
    assert first.canvas == canvas("red fish", "pink cat")
    trained.will_say(BOAT, user("a fish and a cat"), assistant(FISH), user("a boat, no cat"))
    second = trained.planner.plan("a boat, no cat", history=first.turns)
    assert second.canvas == canvas("red fish", "blue boat")
    stats, plain = second.stats, not (grammar or draft)
    assert stats.tokens == len(TOKENIZER.encode(BOAT, add_special_tokens=False)) + (not grammar)
    assert (stats.passes == stats.tokens) == plain
    assert (stats.forced > 0) == grammar
    assert (stats.accepted > 0) == draft
    if draft:
        assert stats.share < 1 / 3
    assert stats.prompt_tokens == trained.writer.count(
        [user("a fish and a cat"), assistant(FISH), user("a boat, no cat")]
    )


def test_what_both_turns_begin_with_is_read_once() -> None:
    trained = Trained()
    read: list[int] = []
    trained.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    trained.will_say(FISH, user("a fish and a cat"))
    first = trained.planner.plan("a fish and a cat")
    read.clear()
    trained.will_say(BOAT, user("a fish and a cat"), assistant(FISH), user("a boat"))
    second = trained.planner.plan("a boat", history=first.turns)
    shared = trained.writer.count([user("a fish and a cat")])
    assert read[0] <= second.stats.prompt_tokens - shared + 40  # and what is forced and drafted behind it


def test_the_token_limit_is_lowered_to_what_the_context_holds() -> None:
    words = Trained().writer.count([user("a fish")])
    positions = words + len(TOKENIZER.encode(FISH)) - 9
    trained = Trained(positions=positions)
    assert trained.writer.context == positions
    trained.will_say(FISH, user("a fish"))
    plan = trained.planner.plan("a fish")
    assert plan.canvas == canvas("red fish")
    assert "reached its token limit" in plan.warnings[-1]


def test_a_context_worth_using_may_be_smaller_than_the_models() -> None:
    chat = Trained().chat
    assert LocalWriter(chat, context=512).context == 512
    assert LocalWriter(chat, context=10**6).context == 4096


def test_beams_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="num_beams is 3"):
        Trained().planner.plan("a fish", sampling=Sampling(num_beams=3))


def test_a_reply_closed_half_way_keeps_the_figures_so_far() -> None:
    trained = Trained()
    trained.will_say(FISH, user("a fish"))
    writing = trained.writer.write([user("a fish")], Sampling(max_new_tokens=500))
    assert next(writing) == "```"
    writing.close()
    assert writing.finish_reason == "cancelled"
    assert 0 < writing.stats.tokens < 500


def test_a_wish_too_long_for_the_model_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves no room for a reply"):
        Trained(positions=100).planner.plan("fish " * 200)


def test_cancelling_reaches_the_decoding() -> None:
    trained = Trained()
    trained.will_say(FISH, user("a fish"))
    writing = trained.writer.write([user("a fish")], Sampling(max_new_tokens=500), cancelled=lambda: True)
    assert list(writing) == []
    assert (writing.finish_reason, writing.stats.tokens) == ("cancelled", 0)
    assert not torch.is_inference_mode_enabled()
