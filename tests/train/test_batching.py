from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

import tiny
from gesso.core.errors import TrainingError
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded
from gesso.train.batching import PackedBatch, PackedRow, collate, example_order, pack
from gesso.train.objectives.language import answer_loss

PAD = 2
END = 1
POSITIONS = 5  # of one picture


def conversation(rng: Random, prefix: Sequence[int], question: int, answer: int) -> Encoded:
    """Prefix, a question and a supervised answer with its end token, of random ids."""
    asked = [rng.randrange(3, 320) for _ in range(question)]
    answered = [*(rng.randrange(3, 320) for _ in range(answer)), END]
    ids = (*prefix, *asked, *answered)
    return Encoded(ids, (False,) * (len(prefix) + question) + (True,) * len(answered))


def group(seed: int, sizes: Sequence[tuple[int, int]], *, pictured: bool = True) -> list[Encoded]:
    rng = Random(seed)
    prefix = [0, 7, IMAGE_INDEX, 9, IMAGE_INDEX] if pictured else [0, *rng.sample(range(3, 320), 6)]
    return [conversation(rng, prefix, question, answer) for question, answer in sizes]


def counts(encoded: Encoded) -> list[int]:
    return [POSITIONS] * encoded.ids.count(IMAGE_INDEX)


def expanded(encoded: Encoded) -> list[int]:
    """The ids with each picture's id at all of its positions."""
    return [i for token in encoded.ids for i in [token] * (POSITIONS if token == IMAGE_INDEX else 1)]


def embed(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Embeddings [..., D]; the features of every picture are the same."""
    features = torch.randn(POSITIONS, 32, generator=torch.Generator().manual_seed(5))
    pictured = ids == IMAGE_INDEX
    embeddings = model.get_input_embeddings()(ids.masked_fill(pictured, 0))
    return embeddings.masked_scatter(
        pictured[..., None], features.repeat(int(pictured.sum()) // POSITIONS, 1)
    )


def packed_loss(model: PreTrainedModel, batch: PackedBatch) -> float:
    return float(answer_loss(model, embed(model, batch.ids), batch)[0].detach())


def loss_alone(model: PreTrainedModel, conversations: Sequence[Encoded]) -> float:
    """Mean over all learned tokens, each conversation run by itself with transformers' own loss."""
    total, learned = 0.0, 0
    for encoded in conversations:
        labels = [
            token if wanted else IGNORE_INDEX
            for token, wanted in zip(encoded.ids, encoded.supervised, strict=True)
            for _ in range(POSITIONS if token == IMAGE_INDEX else 1)
        ]
        embeddings = embed(model, torch.tensor([expanded(encoded)]))
        loss = model(inputs_embeds=embeddings, labels=torch.tensor([labels])).loss
        number = sum(encoded.supervised)
        total, learned = total + float(loss.detach()) * number, learned + number
    return total / learned


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("sizes", [[(3, 4)], [(3, 4), (1, 0), (6, 2)]])
@pytest.mark.parametrize("pictured", [True, False])
def test_a_packed_row_learns_what_its_conversations_learn_alone(
    attention: str, sizes: list[tuple[int, int]], pictured: bool
) -> None:
    model = tiny.llama()
    model.set_attn_implementation(attention)
    conversations = group(3, sizes, pictured=pictured)
    row = pack(conversations, counts(conversations[0]))
    assert packed_loss(model, collate([row], PAD)) == pytest.approx(
        loss_alone(model, conversations), rel=1e-5
    )


@pytest.mark.parametrize("pictured", [True, False])
def test_a_packed_row_moves_weights_as_its_conversations_do_alone(pictured: bool) -> None:
    conversations = group(4, [(3, 4), (1, 0), (6, 2)], pictured=pictured)
    row = pack(conversations, counts(conversations[0]))
    together, alone = tiny.llama(), tiny.llama()
    batch = collate([row], PAD)
    answer_loss(together, embed(together, batch.ids), batch)[0].backward()
    learned = sum(sum(encoded.supervised) for encoded in conversations)
    for encoded in conversations:
        single = collate([pack([encoded], counts(encoded))], PAD)
        loss, figures = answer_loss(alone, embed(alone, single.ids), single)
        (loss * figures["tokens"] / learned).backward()
    for packed, single_ in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(packed.grad, single_.grad, rtol=1e-4, atol=1e-5)


def test_a_shared_text_stands_in_a_row_once() -> None:
    conversations = group(4, [(3, 4), (1, 0), (6, 2)], pictured=False)
    row = pack(conversations, [])
    assert row.ids[:7].tolist() == list(conversations[0].ids[:7])
    assert row.branches.tolist() == [0] * 7 + [1] * 8 + [2] * 2 + [3] * 9
    assert row.positions.tolist() == [*range(7), *range(7, 15), *range(7, 9), *range(7, 16)]


@pytest.mark.parametrize("pictured", [True, False])
def test_padding_changes_no_loss(pictured: bool) -> None:
    model = tiny.llama()
    short = group(5, [(2, 1), (1, 2)], pictured=pictured)
    long = group(6, [(3, 4), (5, 0), (6, 9)], pictured=pictured)
    rows = [pack(conversations, counts(conversations[0])) for conversations in (short, long)]
    batch = collate(rows, PAD)
    assert batch.ids.shape == (2, max(len(row.ids) for row in rows))
    assert packed_loss(model, batch) == pytest.approx(loss_alone(model, short + long), rel=1e-5)
    answers = sum(sum(encoded.supervised) for encoded in short + long)
    assert answer_loss(model, embed(model, batch.ids), batch)[1]["tokens"] == answers


sizes_lists = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4)


@given(sizes_lists, st.booleans(), st.integers(0, 99))
def test_every_position_sees_its_own_conversation_so_far_and_nothing_else(
    sizes: list[tuple[int, int]], pictured: bool, seed: int
) -> None:
    conversations = group(seed, sizes, pictured=pictured)
    row = pack(conversations, counts(conversations[0]))
    other = pack(group(seed + 1, [(9, 9)] * 4), [POSITIONS] * 2)  # longer, so that the row is padded
    batch = collate([row, other], PAD)
    length = len(row.ids)
    for query in range(length):
        seen = batch.attention[0, 0, query].nonzero().flatten()
        own = conversations[max(int(row.branches[query]) - 1, 0)]
        position = int(batch.positions[0, query])
        assert batch.ids[0, seen].tolist() == expanded(own)[: position + 1]
        assert batch.positions[0, seen].tolist() == list(range(position + 1))
    padding = batch.attention[0, 0, length:, :]
    assert torch.equal(padding, torch.eye(batch.ids.shape[1], dtype=torch.bool)[length:])


@given(sizes_lists, st.booleans(), st.integers(0, 99))
def test_exactly_the_answers_and_their_end_tokens_are_learned(
    sizes: list[tuple[int, int]], pictured: bool, seed: int
) -> None:
    conversations = group(seed, sizes, pictured=pictured)
    row = pack(conversations, counts(conversations[0]))
    batch = collate([row], PAD)
    labels, branches = batch.labels[0], torch.from_numpy(row.branches)
    for number, (encoded, (_, answer)) in enumerate(zip(conversations, sizes, strict=True), start=1):
        own = labels[branches == number]
        assert own[own != IGNORE_INDEX].tolist() == list(encoded.ids[-answer - 1 :])
    assert (labels[branches == 0] == IGNORE_INDEX).all()
    learned = (labels != IGNORE_INDEX).nonzero().flatten()
    assert torch.equal(labels[learned], batch.ids[0, learned + 1])
    assert torch.equal(branches[learned], branches[learned + 1])


def test_a_conversation_of_several_turns_learns_every_answer() -> None:
    ids, supervised = (0, 5, 6, 11, END, 7, 12, 13, END), (False,) * 3 + (True,) * 2 + (False,) + (True,) * 3
    batch = collate([pack([Encoded(ids, supervised)], [])], PAD)
    assert batch.labels[0].tolist() == [-100, -100, 11, END, -100, 12, 13, END, -100]


def test_a_conversation_may_show_a_picture_after_an_answer() -> None:
    ids = (0, IMAGE_INDEX, 5, 11, END, IMAGE_INDEX, 6, 12, END)
    supervised = (False, False, False, True, True, False, False, True, True)
    encoded = Encoded(ids, supervised)
    batch = collate([pack([encoded], counts(encoded))], PAD)
    model = tiny.llama()
    assert packed_loss(model, batch) == pytest.approx(loss_alone(model, [encoded]), rel=1e-5)


def test_a_caption_right_behind_its_picture_is_learned_whole() -> None:
    encoded = Encoded((0, IMAGE_INDEX, 11, 12, END), (False, False, True, True, True))
    batch = collate([pack([encoded], counts(encoded))], PAD)
    assert batch.labels[0][batch.labels[0] != IGNORE_INDEX].tolist() == [11, 12, END]


def test_conversations_that_share_an_answer_are_refused() -> None:
    encoded = Encoded(
        (0, 5, 11, END, 6, IMAGE_INDEX, 12, END), (False,) * 2 + (True,) * 2 + (False,) * 2 + (True,) * 2
    )
    with pytest.raises(TrainingError, match="share an answer; give each its own question"):
        pack([encoded, encoded], [POSITIONS])


def test_captions_behind_one_picture_are_refused_as_their_first_token_would_not_be_learned() -> None:
    captions = [Encoded((0, IMAGE_INDEX, token, END), (False, False, True, True)) for token in (11, 12)]
    with pytest.raises(TrainingError, match="give each its own question"):
        pack(captions, [POSITIONS])


def test_an_answer_at_the_very_beginning_shares_nothing() -> None:
    row = pack([Encoded((11, END), (True, True)), Encoded((11, 12, END), (True, True, True))], [])
    assert row.branches.tolist() == [1] * 2 + [2] * 3


def test_what_predicts_an_answer_is_not_shared() -> None:
    first = Encoded((0, 5, 6, 11, END), (False,) * 3 + (True,) * 2)
    second = Encoded((0, 5, 6, 11, 12, END), (False,) * 3 + (True,) * 3)  # alike into the answer
    longer = Encoded((0, 5, 6, 11, END, 7, 13, END), (False,) * 3 + (True,) * 2 + (False,) + (True,) * 2)
    row = pack([first, second, longer], [])
    assert row.branches.tolist() == [0] * 2 + [1] * 3 + [2] * 4 + [3] * 6
    model = tiny.llama()
    assert packed_loss(model, collate([row], PAD)) == pytest.approx(
        loss_alone(model, [first, second, longer]), rel=1e-5
    )


def test_conversations_cut_before_their_answers_leave_nothing_to_learn() -> None:
    model = tiny.llama()
    batch = collate([pack([Encoded((0, 5, 6), (False,) * 3)] * 2, [])], PAD)
    assert batch.ids[0].tolist() == [0, 5, 6]
    loss, figures = answer_loss(model, embed(model, batch.ids), batch)
    loss.backward()
    assert (float(loss.detach()), figures) == (0.0, {"tokens": 0, "right": 0.0})
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_conversations_over_different_pictures_are_refused() -> None:
    first = Encoded((0, IMAGE_INDEX, 5, 11, END), (False, False, False, True, True))
    second = Encoded((0, 6, IMAGE_INDEX, 11, END), (False, False, False, True, True))
    with pytest.raises(TrainingError, match="differ before their last picture"):
        pack([first, second], [POSITIONS])


def test_conversations_that_do_not_fit_are_left_out_but_never_the_first() -> None:
    conversations = group(2, [(2, 3), (5, 9), (1, 1)])  # 6, 15 and 3 tokens behind a prefix of 13 positions
    row = pack(conversations, [POSITIONS] * 2, 13 + 6 + 3)
    assert sorted(set(row.branches.tolist())) == [0, 1, 3]
    assert row.ids[row.branches == 3].tolist() == list(conversations[2].ids[5:])
    assert set(pack(conversations, [POSITIONS] * 2, 4).branches.tolist()) == {0, 1}


def test_a_row_says_where_everything_lies() -> None:
    encoded = [
        Encoded((0, IMAGE_INDEX, 5, 11), (False, False, False, True)),
        Encoded((0, IMAGE_INDEX, 6, 12), (False, False, False, True)),
    ]
    row = pack(encoded, [2])
    expected = PackedRow(
        ids=np.array([0, IMAGE_INDEX, IMAGE_INDEX, 5, 11, 6, 12]),
        labels=np.array([-100, -100, -100, -100, 11, -100, 12]),
        positions=np.array([0, 1, 2, 3, 4, 3, 4]),
        branches=np.array([0, 0, 0, 1, 1, 2, 2]),
    )
    for name in ("ids", "labels", "positions", "branches"):
        assert getattr(row, name).tolist() == getattr(expected, name).tolist()


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 5))
def test_every_epoch_goes_once_through_all_examples(count: int, batch: int, seed: int) -> None:
    steps = -(-3 * count // batch)
    stream = np.concatenate([example_order(step, batch, count, seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = (example_order(step, 50, 50, seed=1).tolist() for step in (0, 1))
    assert first != second
    assert first != example_order(0, 50, 50, seed=2).tolist()
    assert first == example_order(0, 50, 50, seed=1).tolist()
    assert first[:20] == example_order(0, 20, 50, seed=1).tolist()
