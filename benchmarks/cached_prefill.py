"""A Megrez reads a conversation with a picture and a sound, with and without their features in memory.

    python benchmarks/cached_prefill.py                            # mid size on the CPU
    python benchmarks/cached_prefill.py --size true --device cuda  # Megrez-3B-Omni's own sizes

Random weights; a 720 x 1480 picture (7 slices), 5 s of sound, 128 tokens of text. "made" encodes the media,
"kept" takes their features from `gesso.engines.features`; both then put the prompt through the language model
as far as the logits of the first token. They run in turns, the fastest run of each counts, in processor time
on a CPU. Prints one line of JSON.
"""

import argparse
import json
import time

import torch
from megrez_size import SIZES, build_megrez, question
from report import device_name, setting
from torch import Tensor

from gesso.engines.features import FeatureMemory
from gesso.models.base import Encoded
from gesso.models.megrez.model import MegrezChat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    on_gpu = options.device != "cpu"
    chat = build_megrez(options.size, options.device, torch.bfloat16 if on_gpu else torch.float32)
    encoded = chat.processor.encode(question(0, seconds=5))
    memory = FeatureMemory(2**30)
    best = {"made": float("inf"), "kept": float("inf")}
    logits: dict[str, Tensor] = {}
    positions = 0
    for _ in range(options.runs + 1):  # the first round warms up, and fills the memory
        for name in best:
            chat.memory = memory if name == "kept" else None
            clock = time.perf_counter if on_gpu else time.process_time
            begin = clock()
            logits[name], positions = prefill(chat, encoded)
            best[name] = min(best[name], clock() - begin)
    report = {
        "benchmark": "cached_prefill", "size": options.size, "positions": positions,
        "made_s": round(best["made"], 4), "kept_s": round(best["kept"], 4),
        "ratio": round(best["made"] / best["kept"], 2), "hits": memory.hits,
        "difference": float((logits["made"] - logits["kept"]).abs().max()),
    }  # fmt: skip
    where = {"device": device_name(options.device), "threads": options.threads}
    print(json.dumps({**report, **where, **setting()}))


@torch.inference_mode()
def prefill(chat: MegrezChat, encoded: Encoded) -> tuple[Tensor, int]:
    """Logits of the first token on the CPU, which waits for a GPU, and the length of the prompt."""
    prompt = chat.embed(encoded)[None]
    out = chat.language_model(inputs_embeds=prompt, use_cache=True, logits_to_keep=1)
    return out.logits[0, -1].float().cpu(), prompt.shape[1]


if __name__ == "__main__":
    main()
