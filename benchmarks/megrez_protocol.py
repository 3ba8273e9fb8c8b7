"""The protocol of Megrez's README: tokens a second of prefill and of decoding, beside transformers.

    python benchmarks/megrez_protocol.py                            # mid size on the CPU
    python benchmarks/megrez_protocol.py --size true --device cuda  # Megrez-3B-Omni's own sizes

A request has about 128 text tokens and a picture of 720 x 1480 px (448 image tokens); 128 tokens are
answered, greedily, with a repetition penalty of 1.2 and past any end; 8 requests at once, each with a picture
of its own. Published for one H100 under vLLM 0.6.3: 6312.66 prefill and 1294.9 decode tokens a second. The
weights are random: speed does not depend on them.

Prefill is the time to the first tokens of all requests, pictures included; decoding is the rest. Both ways
get their prompt embeddings from the same code; `generate` of transformers gets them as one batch. They run in
turns; the fastest run of each counts, in processor time on a CPU. Prints one line of JSON. `peak_gib` is of
the whole process, weights included: of the GPU's memory, on a CPU of the machine's.
"""

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from megrez_size import SIZES, build_megrez, question
from report import device_name, setting
from torch import Tensor
from transformers import GenerationConfig

from gesso.core.sampling import Sampling
from gesso.engines.generate import generate
from gesso.models.base import Encoded
from gesso.models.megrez.model import MegrezChat

PENALTY = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    on_gpu = options.device != "cpu"
    chat = build_megrez(options.size, options.device, torch.bfloat16 if on_gpu else torch.float32)
    asked = [chat.processor.encode(question(number)) for number in range(options.requests)]
    lengths = {len(prompt) for prompt in prompts_of(chat, asked)}
    positions = sum(len(prompt) for prompt in prompts_of(chat, asked))
    ways: dict[str, Callable[[int], object]] = {
        "gesso": partial(ours, chat, asked), "transformers": partial(theirs, chat, asked),
    }  # fmt: skip
    best = {name: {1: float("inf"), options.tokens: float("inf")} for name in ways}
    for _ in range(options.runs + 1):  # the first round warms up
        for name, way in ways.items():
            for tokens, known in best[name].items():
                best[name][tokens] = min(known, seconds(partial(way, tokens), on_gpu))
    report: dict[str, object] = {
        "benchmark": "megrez_protocol", "size": options.size, "requests": options.requests,
        "tokens": options.tokens, "prompt": max(lengths), "prompt_tokens": positions,
    }  # fmt: skip
    speeds = {}
    for name, times in best.items():
        first, whole = times[1], times[options.tokens]
        speeds[name] = (positions / first, options.requests * (options.tokens - 1) / (whole - first))
        report[f"{name}_prefill_tokens_s"], report[f"{name}_decode_tokens_s"] = (
            round(speed, 1) for speed in speeds[name]
        )
    report["prefill_ratio"], report["decode_ratio"] = (
        round(a / b, 2) for a, b in zip(speeds["gesso"], speeds["transformers"], strict=True)
    )
    report["peak_gib"] = round(peak(on_gpu), 2)
    where = {"device": device_name(options.device), "threads": options.threads}
    print(json.dumps({**report, **where, **setting()}))


@torch.inference_mode()
def prompts_of(chat: MegrezChat, asked: list[Encoded]) -> list[Tensor]:
    """Prompt embeddings [L_i, D]."""
    return [chat.embed(encoded) for encoded in asked]


def ours(chat: MegrezChat, asked: list[Encoded], tokens: int) -> object:
    settings = Sampling(max_new_tokens=tokens, repetition_penalty=PENALTY)
    prompts = prompts_of(chat, asked)
    return generate(chat, chat.processor.tokenizer, prompts, [settings] * len(prompts))


@torch.inference_mode()
def theirs(chat: MegrezChat, asked: list[Encoded], tokens: int) -> object:
    prompts = prompts_of(chat, asked)
    # all requests have the same form, so that no row is padded
    batch = torch.stack(prompts)  # [B, L, D]
    mask = torch.ones(batch.shape[:2], dtype=torch.long, device=batch.device)
    settings = GenerationConfig(
        max_new_tokens=tokens, do_sample=False, repetition_penalty=PENALTY, pad_token_id=0
    )
    module = chat.module
    warnings.filterwarnings("ignore", "Passing `repetition_penalty` with `inputs_embeds`")
    return module.generate(inputs_embeds=batch, attention_mask=mask, generation_config=settings)


def seconds(work: Callable[[], object], on_gpu: bool) -> float:
    clock = time.perf_counter if on_gpu else time.process_time
    begin = clock()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - begin


def peak(on_gpu: bool) -> float:
    """Most memory so far, in GiB."""
    if on_gpu:
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
