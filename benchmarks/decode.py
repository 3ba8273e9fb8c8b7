"""Tokens a second of gesso's decoding beside transformers' `generate`, in one run; prints one line of JSON.

The model has the shape of mini-lm and random weights; prompts are embeddings of unequal lengths. "single" and
"batch16" have answers of equal length, so both ways compute the same tokens (the report counts equal rows).
In "mixed16" answers end at different lengths, as real ones do: gesso lets a row leave the batch when it ends,
`generate` computes all rows to the end of the longest; the tokens that belong to answers are counted.

Run: python benchmarks/decode.py --tokens 64 --runs 5
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from report import setting
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gesso.core.sampling import Sampling
from gesso.engines.generate import generate
from gesso.engines.text_chat import TextChat

VOCABULARY = 2048
LENGTHS = (96, 120, 80, 144, 100, 132, 88, 110, 140, 92, 128, 104, 136, 84, 116, 124)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each answer")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each way")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, tokenizer = build_model(), build_tokenizer()
    prompts = [torch.randn(length, model.config.hidden_size) for length in LENGTHS]
    report: dict[str, object] = {"benchmark": "decode", "tokens": options.tokens, "threads": options.threads}
    equal = [options.tokens] * len(prompts)
    mixed = [max(1, options.tokens * (1 + row) // len(prompts)) for row in range(len(prompts))]
    cases = (("single", prompts[:1], equal[:1]), ("batch16", prompts, equal), ("mixed16", prompts, mixed))
    for name, batch, limits in cases:
        ours, theirs = interleaved(model, tokenizer, batch, limits, options.runs)
        report[f"{name}_gesso_tokens_s"] = round(sum(limits) / ours)
        report[f"{name}_transformers_tokens_s"] = round(sum(limits) / theirs)
        report[f"{name}_ratio"] = round(theirs / ours, 2)
    report["batch16_equal_rows"] = equal_rows(model, tokenizer, prompts, equal)
    print(json.dumps({**report, **setting()}))


def interleaved(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Tensor],
    limits: Sequence[int],
    runs: int,
) -> tuple[float, float]:
    """Median seconds of gesso and of transformers, measured in turn so that both meet the same machine."""
    ways: tuple[Callable[[], object], ...] = (
        lambda: ours(model, tokenizer, prompts, limits),
        lambda: theirs(model, prompts, max(limits)),
    )
    for way in ways:
        way()  # warm up
    seconds = [[timed(way) for way in ways] for _ in range(runs)]
    return statistics.median(s[0] for s in seconds), statistics.median(s[1] for s in seconds)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Tensor],
    limits: Sequence[int],
) -> list[str]:
    settings = [Sampling(max_new_tokens=limit) for limit in limits]
    return [answer.text for answer in generate(TextChat(model), tokenizer, prompts, settings)]


def theirs(model: LlamaForCausalLM, prompts: Sequence[Tensor], tokens: int) -> Tensor:
    longest = max(map(len, prompts))
    pad = torch.nn.functional.pad
    padded = torch.stack([pad(prompt, (0, 0, longest - len(prompt), 0)) for prompt in prompts])  # [B, L, D]
    mask = torch.stack([pad(torch.ones(len(p), dtype=torch.long), (longest - len(p), 0)) for p in prompts])
    settings = GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    return model.generate(inputs_embeds=padded, attention_mask=mask, generation_config=settings)


def equal_rows(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Tensor],
    limits: Sequence[int],
) -> int:
    texts = tokenizer.batch_decode(theirs(model, prompts, max(limits)))
    pairs = zip(ours(model, tokenizer, prompts, limits), texts, strict=True)
    return sum(a == b.lstrip().rstrip("\ufffd") for a, b in pairs)


def build_model() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=3,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Every id is a piece of its own; no end token, so answers run to the limit."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {f"{a}{b}": index for index, (a, b) in enumerate((a, b) for a in alphabet for b in "abcdefgh")}
    backend = Tokenizer(models.BPE({**pieces}, []))
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


if __name__ == "__main__":
    main()
