"""One denoising step with a subject beside a plain step of equal size; prints one line of JSON.

    python benchmarks/subject_step.py                       # SD 1.5's shape, 142 M parameters, on the CPU
    python benchmarks/subject_step.py --device cuda --full  # SD 1.5's own size

Both run both guidance branches in one batch on the same UNet with random weights, in turns; the fastest of
each counts, in processor time on a CPU. The subject covers a quarter of its reference and has a map already.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from report import setting

from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.guide_attention import JoinedText
from gesso.diffusion.guide_subject import NamedSubject, SubjectGuide
from gesso.diffusion.guides import Step
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subjects import Subject, extract_features

WINDOW = 77
SIDE = 64
TEXT = 768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", action="store_true", help="SD 1.5's own widths")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    on_gpu = options.device != "cpu"
    dtype = torch.float16 if on_gpu else torch.float32
    widths = [320, 640, 1280, 1280] if options.full else [128, 256, 512, 512]
    unet = UNet2DConditionModel(block_out_channels=widths, cross_attention_dim=TEXT, attention_head_dim=8)
    unet = unet.eval().requires_grad_(False).to(options.device, dtype)
    install_processor(unet)
    plain, subject = guides(unet, dtype)
    latents = torch.randn(1, 4, SIDE, SIDE, device=options.device)
    step = Step(1, 2, torch.tensor(500, device=options.device))
    best = {"plain_s": float("inf"), "subject_s": float("inf")}
    for _ in range(options.repeats + 1):  # the first round warms up, and gives the subject its map
        for name, guide in (("plain_s", plain), ("subject_s", subject)):
            best[name] = min(best[name], seconds(lambda guide=guide: guide.predict(latents, step), on_gpu))
    report = {"benchmark": "subject_step", **best, "ratio": best["subject_s"] / best["plain_s"]}
    numbers = {key: round(value, 3) if isinstance(value, float) else value for key, value in report.items()}
    print(json.dumps({**numbers, "full": options.full, "device": options.device, **setting()}))


def guides(unet: UNet2DConditionModel, dtype: torch.dtype) -> tuple[object, SubjectGuide]:
    """A plain step's guide and one with a subject, reading the same text."""
    device = unet.device
    noise = NoiseModel(unet, (SIDE * 8, SIDE * 8), dtype)
    positive, negative = (text(device, dtype) for _ in range(2))
    adapter = SubjectAdapter(unet).to(device, dtype).requires_grad_(False)
    mask = torch.zeros(1, 1, SIDE * 8, SIDE * 8, device=device)
    mask[:, :, SIDE * 2 : SIDE * 6, SIDE * 2 : SIDE * 6] = 1
    known = torch.randn(1, 4, SIDE, SIDE, device=device)
    features = extract_features(noise, adapter, known, mask, text(device, dtype))
    tokens = torch.randn(2, 4, TEXT, device=device, dtype=dtype)
    named = NamedSubject(Subject("cat", tokens, features), torch.tensor([4, 7], device=device))
    said = PromptText((positive,), negative)
    return JoinedText().guide(noise, said, 1), SubjectGuide(noise, said, [named], adapter, 1)


def text(device: torch.device, dtype: torch.dtype) -> TextRegion:
    words = torch.ones(WINDOW, dtype=torch.bool, device=device)
    return TextRegion(
        torch.ones(90, 90, device=device), torch.randn(1, WINDOW, TEXT, device=device, dtype=dtype), words
    )


@torch.no_grad()
def seconds(work: Callable[[], object], on_gpu: bool) -> float:
    clock = time.perf_counter if on_gpu else time.process_time
    begin = clock()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - begin


if __name__ == "__main__":
    main()
