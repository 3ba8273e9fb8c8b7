"""Encoding slices together or one by one, or taking their features from memory; prints one line of JSON.

The model has Megrez-3B-Omni's form at mid size and random weights. "slices" encodes the eight slices of one
picture in one call of the tower and in eight. "kept" takes the features of the same slices from memory, which
costs no more than to find out that they are the same. "mining" compares Mini-Gemini's patch info mining as
gesso computes it with a literal one, in which every cell gets its key and its value (arXiv 2403.18814,
equation 1). All ways of a pair run in turns, and their results are compared.

Run: python benchmarks/media_features.py --runs 5
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from report import setting
from torch import Tensor
from transformers import LlamaConfig, SiglipVisionConfig, WhisperConfig

from gesso.engines.features import FeatureMemory
from gesso.models.base import ImageTiles
from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration
from gesso.models.megrez.settings import MegrezSettings
from gesso.nn.detail_mining import DetailMining, cells_of_tokens

SLICES = 8
SIDE = 224
"""Pixels of a slice's side, 16 x 16 patches: a quarter of the published 448."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each way")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=384, help="of the tower and of the language model")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    report: dict[str, object] = {"benchmark": "media_features", "threads": options.threads}
    with torch.inference_mode():
        report |= slices(options.width, options.runs) | mining(options.runs)
    print(json.dumps({**report, **setting()}))


def slices(width: int, runs: int) -> dict[str, object]:
    """One call for all slices beside one for each, and kept features beside made ones."""
    module = build(width)
    pictures = [torch.randint(0, 256, (3, SIDE, SIDE)).float() for _ in range(SLICES)]

    def together() -> Tensor:
        return torch.stack(module.slice_features(pictures))

    def alone() -> Tensor:
        return torch.cat([torch.stack(module.slice_features([picture])) for picture in pictures])

    memory = FeatureMemory(2**30)
    tiles = [ImageTiles(picture[None], (SIDE, SIDE)) for picture in pictures]

    def kept() -> Tensor:
        make = lambda items: module.slice_features([item.pixels[0] for item in items])  # noqa: E731
        return torch.stack(memory.recall(tiles, make))

    fast, slow, recalled = in_turns([together, alone, kept], runs)
    return {
        "slices_together_s": round(fast, 4), "slices_one_by_one_s": round(slow, 4),
        "slices_ratio": round(slow / fast, 2), "kept_s": round(recalled, 5),
        "kept_ratio": round(fast / recalled, 1),
        "slices_difference": float((together() - alone()).abs().max()),
    }  # fmt: skip


def build(width: int) -> MegrezForConditionalGeneration:
    sizes = {"num_hidden_layers": 6, "num_attention_heads": width // 64}
    text = LlamaConfig(hidden_size=width, intermediate_size=2 * width, vocab_size=512, **sizes)
    vision = SiglipVisionConfig(
        hidden_size=width, intermediate_size=4 * width, image_size=980, patch_size=14, vision_use_head=False,
        hidden_act="gelu_pytorch_tanh", **sizes,
    )  # fmt: skip
    audio = WhisperConfig(d_model=64, encoder_layers=1, encoder_attention_heads=1, encoder_ffn_dim=64)
    config = MegrezConfig(
        text_config=text, vision_config=vision, audio_config=audio, gesso=MegrezSettings().to_dict()
    )
    return MegrezForConditionalGeneration(config).eval()


def mining(
    runs: int, width: int = 512, cell_width: int = 768, side: int = 16, finer: int = 4
) -> dict[str, object]:
    """Patch info mining of one picture: our way beside the formula as it stands."""
    block = DetailMining(width, cell_width).eval()
    tokens = torch.randn(1, side * side, width)
    cells = torch.randn(1, cell_width, side * finer, side * finer)

    def ours() -> Tensor:
        return block(tokens, cells)

    def literal() -> Tensor:
        own = cells_of_tokens(cells, side * side)
        query, key, value = block.query(tokens), block.key(own), block.value(own)
        weights = torch.softmax((query[:, :, None] * key).sum(-1) / width**0.5, -1)  # [1, P*P, s*s]
        return (weights[..., None] * value).sum(2)

    fast, slow = in_turns([ours, literal], runs)
    return {
        "mining_s": round(fast, 4), "mining_literal_s": round(slow, 4), "mining_ratio": round(slow / fast, 2),
        "mining_difference": float((ours() - literal()).abs().max()),
    }  # fmt: skip


def in_turns(ways: list[Callable[[], Tensor]], runs: int) -> list[float]:
    """Median seconds of each way, after one run of each that does not count."""
    taken: list[list[float]] = [[] for _ in ways]
    for run in range(runs + 1):
        for way, times in zip(ways, taken, strict=True):
            start = time.perf_counter()
            way()
            if run:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


if __name__ == "__main__":
    main()
