"""Checks of training steps of LLaVA and Mini-Gemini against the original's: losses, gradients, weights."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gesso.config.schema import DataSettings, OptimSettings
from gesso.models.base import IGNORE_INDEX, Encoded, ImageTiles
from gesso.models.checkpoints import rename_keys
from gesso.models.llava.convert import original_key_rules as llava_rules
from gesso.models.mgm.convert import original_key_rules as mgm_rules
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.picture_chat import PictureChat
from gesso.train.conversations import LlavaJson
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.optim import build_optimizers
from parity import llava_model, mgm_model

__all__ = ["CHECKS"]

TOLERANCE: Final = 1e-5
"""Largest difference, as a share of the largest value."""

ROUNDING: Final = 1e-7
"""Gradients below this are the sums of larger ones that cancel out."""

TEMPLATES: Final = {"plain": "plain", "v1": "vicuna_v1"}
"""Templates by the original's names of its data's versions."""

Batch = list[Encoded]


class _Rows:
    """A source of training rows that are already encoded, each one an example."""

    def __init__(self, rows: Batch) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def encode(self, processor: Any, example: int, number: int) -> list[Encoded]:
        return [self._rows[example]]


class _Run:
    """The trainer's objective and optimisers on one model, moved at given rates.

    The originals' schedule begins with a step that moves nothing; ours does not, so rates are the case's own.
    """

    def __init__(self, chat: PictureChat[Any], tune: Mapping[str, float], decay: float) -> None:
        self.chat, self.module = chat, chat.module.train()
        settings = OptimSettings(beta2=0.999, weight_decay=decay)
        self.optimizers = build_optimizers(chat.parts, settings, tune)
        self.trained = [p for p in self.module.parameters() if p.requires_grad]

    def loss(self, batch: Batch) -> Tensor:
        objective = VisionLanguageObjective(self.chat, _Rows(batch), DataSettings(length=10**6))
        loss, _ = objective.loss(objective.batch(list(range(len(batch))), 0))
        return loss

    def backward(self, batch: Batch) -> float:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        return float(loss.detach())

    def norm(self) -> float:
        return float(torch.nn.utils.get_total_norm([p.grad for p in self.trained if p.grad is not None]))

    def step(self, share: float, clip: float | None) -> None:
        """One step at this share of the peak rates."""
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()


def check_llava(case: Path) -> None:
    """One step at a constant rate; a whole run with warm-up and cosine, with and without clipping."""
    expected, tensors = _json(case / "expected.json"), load_file(case / "expected.safetensors")
    peak = expected["learning_rate"]
    projector = expected["mm_projector_lr"] or peak
    tune = {"vision": 0.0, "projector": projector, "language": peak if expected["stage"] == 2 else 0.0}

    def start() -> tuple[_Run, list[Batch], dict[str, str]]:
        with llava_model.loaded(case) as chat:
            names = rename_keys(load_file(case / "weights.safetensors"), llava_rules(chat.settings))
            return _Run(chat, tune, expected["weight_decay"]), _llava_batches(case), names

    run, batches, names = start()
    trained = {ours for theirs, ours in names.items() if theirs in expected["trainable"]}
    found = {name for name, parameter in run.module.named_parameters() if parameter.requires_grad}
    assert found == trained
    assert run.backward(batches[0]) == pytest.approx(expected["loss"], rel=TOLERANCE)
    assert run.norm() == pytest.approx(expected["total_grad_norm"], rel=TOLERANCE)
    _check_gradients(run, _under(tensors, "grad."), names, expected["grad_norms"])
    run.step(1.0, None)
    _check_weights(run, _under(tensors, "updated1."), names)
    after = float(run.loss(batches[0]).detach())
    assert after == pytest.approx(expected["loss_after_one_step"], rel=TOLERANCE)
    for name, prefix in (("multi_step", "updatedN."), ("multi_step_clipped", "updatedN_clip.")):
        run, batches, _ = start()
        steps = expected[name]
        rates = [groups[0] / peak for groups in steps["lr_per_group_per_step"]]
        _follow(run, batches, steps["losses"], steps["grad_norm_before_clipping"], rates,
                steps["max_grad_norm"])  # fmt: skip
        _check_weights(run, _under(tensors, prefix), names)


def check_mgm(case: Path) -> None:
    """Three steps with warm-up, cosine and clipping; rows and pictures come from the case's records."""
    description, expected = _json(case / "case.json"), _json(case / "expected.json")
    tensors, inputs = load_file(case / "expected.safetensors"), load_file(case / "inputs.safetensors")
    peak = expected["optimizer"]["lr"]
    stage = 1 if description["arguments"].get("tune_mm_mlp_adapter") else 2
    tune = {"vision": 0.0, "detail": 0.0, "projector": peak, "language": peak if stage == 2 else 0.0}
    whole = {**description, "config": description["config_after_setup"]}
    with mgm_model.loaded(case, whole) as loaded:
        template = TEMPLATES[description["arguments"]["version"]]
        settings = replace(loaded.settings, template=template)
        chat = MgmChat(loaded.module, MgmProcessor(loaded.processor.tokenizer, settings))
    _check_records(case, chat, inputs)
    names = rename_keys(load_file(case / "weights.safetensors"), mgm_rules(tied=False))
    run = _Run(chat, tune, 0.0)
    losses = expected["loss"]
    batches = [_mgm_batch(inputs, f"step{number}_") for number in range(len(losses))]
    assert run.backward(batches[0]) == pytest.approx(losses[0], rel=TOLERANCE)
    _check_gradients(run, _under(tensors, "grad_step0:"), names, expected["grad_norm_step0"])
    rates = [groups[0] / peak for groups in expected["learning_rates_per_group_at_each_step"]]
    norms = expected["total_grad_norm_before_clipping"]
    _follow(run, batches, losses, norms, rates, expected["max_grad_norm"])
    _check_weights(run, _under(tensors, f"after_step{len(losses) - 1}:"), names)


def _follow(
    run: _Run,
    batches: Sequence[Batch],
    losses: Sequence[float],
    norms: Sequence[float],
    rates: Sequence[float],
    clip: float | None,
) -> None:
    for number, (loss, norm, rate) in enumerate(zip(losses, norms, rates, strict=True)):
        found = run.backward(batches[number % len(batches)])
        assert found == pytest.approx(loss, rel=TOLERANCE), number
        assert run.norm() == pytest.approx(norm, rel=1e-4), number
        run.step(rate, clip)


def _check_records(case: Path, chat: PictureChat[Any], inputs: Mapping[str, Tensor]) -> None:
    """Each record of the case's JSON is a row of one of its batches, with the very pixels."""
    source = LlavaJson(case / "data.json", case)
    rows: dict[tuple[int, ...], list[Tensor]] = {}
    for number in range(len(inputs) // 5):
        for ids, labels, mask, aux in _lines(inputs, f"step{number}_"):
            real = mask.bool()
            rows[tuple(ids[real].tolist())] = [labels[real], aux]
    seen = 0
    for number in range(len(source)):
        (encoded,) = source.encode(chat.processor, number, 0)
        if encoded.ids not in rows:  # the original's three steps do not take all records
            continue
        seen += 1
        labels, aux = rows[encoded.ids]
        learned = torch.tensor(encoded.supervised)
        assert torch.equal(labels, torch.tensor(encoded.ids).masked_fill(~learned, IGNORE_INDEX))
        for image in encoded.images:
            assert (image.pixels[0] - aux).abs().max() <= 1e-6
    assert seen == len(rows)


def _mgm_batch(inputs: Mapping[str, Tensor], prefix: str) -> Batch:
    return [
        _encoded(ids, labels, mask, [ImageTiles(aux[None], (1, 1))] if (ids == -200).any() else [])
        for ids, labels, mask, aux in _lines(inputs, prefix)
    ]


def _lines(inputs: Mapping[str, Tensor], prefix: str) -> Iterator[tuple[Tensor, ...]]:
    names = ("input_ids", "labels", "attention_mask", "images_aux")
    return zip(*(inputs[prefix + name] for name in names), strict=True)


def _llava_batches(case: Path) -> list[Batch]:
    """The case's batches; a row without picture uses one up in the original, which is left out here."""
    inputs, sizes = load_file(case / "inputs.safetensors"), _json(case / "case.json").get("image_sizes")
    batches = []
    for number in range(len({key.partition(".")[0] for key in inputs})):
        part = _under(inputs, f"batch{number}.")
        shown = sizes[number] if sizes else [(1, 1)] * len(part["images"])
        pictures = [ImageTiles(p[None], tuple(s)) for p, s in zip(part["images"], shown, strict=True)]
        rows, start = [], 0
        for ids, labels, mask in zip(*(part[n] for n in ("input_ids", "labels", "attention_mask")),
                                     strict=True):  # fmt: skip
            count = int((ids == -200).sum())
            rows.append(_encoded(ids, labels, mask, pictures[start : start + count]))
            start += max(1, count)
        batches.append(rows)
    return batches


def _encoded(ids: Tensor, labels: Tensor, mask: Tensor, pictures: Sequence[ImageTiles]) -> Encoded:
    real = mask.bool()
    learned = (labels[real] != IGNORE_INDEX).tolist()
    return Encoded(tuple(ids[real].tolist()), tuple(learned), tuple(pictures))


def _check_gradients(
    run: _Run, wanted: Mapping[str, Tensor], names: Mapping[str, str], norms: Mapping[str, float]
) -> None:
    found = dict(run.module.named_parameters())
    for name, gradient in wanted.items():
        _assert_close(found[names[name]].grad, gradient, name)
    for name, norm in norms.items():
        # biases of keys have none but for rounding: all cells of a token gain the same
        assert float(found[names[name]].grad.norm()) == pytest.approx(norm, rel=1e-4, abs=1e-7), name


def _check_weights(run: _Run, wanted: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Moved weights, but for those whose gradients are nothing but rounding."""
    found = dict(run.module.named_parameters())
    for name, weight in wanted.items():
        parameter = found[names[name]]
        assert parameter.grad is not None, name
        # AdamW makes a whole step of them
        real = parameter.grad.abs() > ROUNDING
        _assert_close(parameter.detach()[real], weight[real], name)


def _assert_close(actual: Tensor | None, expected: Tensor, name: str) -> None:
    assert actual is not None, name
    worst = float((actual - expected).abs().max()) if len(expected) else 0.0
    scale = max(1e-2, float(expected.abs().max())) if len(expected) else 1.0
    assert worst <= TOLERANCE * scale, (name, worst)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def _json(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "llava/train-step": check_llava,
    "mgm/train-step": check_mgm,
}
