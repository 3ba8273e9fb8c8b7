"""Whole pictures a second of a Mini-Gemini's two towers, with our mining and a literal one; one line of JSON.

    python benchmarks/dual_encoder.py                           # half of all widths, on the CPU
    python benchmarks/dual_encoder.py --size true --device cuda # CLIP-L at 336 px, ConvNeXt-L at 768 px

Both ways are the same model with random weights, from pixels to features for the language model: both towers,
patch info mining, projector. They differ in the mining alone, which "literal" computes as equation 1 of arXiv
2403.18814 stands: every cell is normed and projected to a key and to a value. They run in turns, and the
fastest run of each counts, in processor time on a CPU. "share" is what a literal mining takes of a picture.

At true size the mining is a smaller part of the whole than at half of it: ConvNeXt-L has 27 blocks in its
third stage, and half of all widths goes with the 9 of ConvNeXt-T.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from report import device_name, setting
from torch import Tensor, nn
from transformers import CLIPVisionConfig, ConvNextConfig, LlamaConfig

from gesso.models.mgm.modules import MgmForConditionalGeneration, module_config
from gesso.models.mgm.settings import MgmSettings
from gesso.nn.detail_mining import DetailMining, cells_of_tokens

SIZES = {
    # high and low resolution, CLIP's width and layers, ConvNeXt's widths and depths, width of the features
    "small": (384, 168, 128, 3, [32, 64, 128, 256], [1, 1, 3, 1], 256),
    "mid": (768, 336, 512, 12, [96, 192, 384, 768], [3, 3, 9, 3], 2048),
    "true": (768, 336, 1024, 24, [192, 384, 768, 1536], [3, 3, 27, 3], 4096),
}


class LiteralMining(nn.Module):
    """Equation 1 as it stands, with the weights of ours."""

    def __init__(self, block: DetailMining) -> None:
        super().__init__()
        self.query, self.key, self.value = block.query, block.key, block.value

    def forward(self, tokens: Tensor, cells: Tensor) -> Tensor:
        own = cells_of_tokens(cells, tokens.shape[1])  # [B, P*P, s*s, C]
        query, key, value = self.query(tokens), self.key(own), self.value(own)
        scores = (key @ query[..., None]).squeeze(-1) / query.shape[-1] ** 0.5  # [B, P*P, s*s]
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
        return (weights[:, :, None] @ value).squeeze(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pictures", type=int, default=1, help="at a time")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    on_gpu = options.device != "cpu"
    model = build(options.size).to(options.device, torch.bfloat16 if on_gpu else torch.float32)
    side = SIZES[options.size][0]
    pixels = torch.randn(options.pictures, 3, side, side, device=options.device)
    ours = model.model.detail_mining
    ways = {"gesso": ours, "literal": LiteralMining(ours)}
    features, best = {}, dict.fromkeys(ways, float("inf"))
    for _ in range(options.runs + 1):  # the first round warms up
        for name, mining in ways.items():
            model.model.detail_mining = mining
            features[name], taken = timed(lambda: model.get_image_features(pixels).pooler_output[0], on_gpu)
            best[name] = min(best[name], taken)
    report = {
        "benchmark": "dual_encoder", "size": options.size, "pictures": options.pictures,
        "gesso_pictures_s": round(options.pictures / best["gesso"], 3),
        "literal_pictures_s": round(options.pictures / best["literal"], 3),
        "ratio": round(best["literal"] / best["gesso"], 2),
        "share": round(1 - best["gesso"] / best["literal"], 2),
        "difference": float((features["gesso"] - features["literal"]).abs().max()),
        "scale": float(features["literal"].abs().max()),
    }  # fmt: skip
    where = {"device": device_name(options.device), "threads": options.threads}
    print(json.dumps({**report, **where, **setting()}))


def build(size: str) -> MgmForConditionalGeneration:
    high, low, width, layers, widths, depths, features = SIZES[size]
    vision = CLIPVisionConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, image_size=low,
        num_attention_heads=width // 64, patch_size=14,
    )  # fmt: skip
    detail = ConvNextConfig(hidden_sizes=widths, depths=depths, image_size=high)
    # the language model is not run
    text = LlamaConfig(
        hidden_size=features, intermediate_size=64, num_hidden_layers=1, num_attention_heads=features // 64,
        num_key_value_heads=1, vocab_size=64,
    )  # fmt: skip
    settings = MgmSettings(image_size=low, patch_size=14, image_size_aux=high)
    return MgmForConditionalGeneration(module_config(settings, vision, detail, text)).eval()


@torch.inference_mode()
def timed(work: Callable[[], Tensor], on_gpu: bool) -> tuple[Tensor, float]:
    clock = time.perf_counter if on_gpu else time.process_time
    begin = clock()
    result = work()
    if on_gpu:
        torch.cuda.synchronize()
    return result, clock() - begin


if __name__ == "__main__":
    main()
