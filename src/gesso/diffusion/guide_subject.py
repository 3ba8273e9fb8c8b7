"""Guidance by subjects: the picture reads its texts and looks at references, where its own attention says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.conditions import SHOWN, PromptText, TextRegion
from gesso.diffusion.guide_attention import AttentionScores, JoinedText, everywhere
from gesso.diffusion.guides import Prediction, RegionGuidance, Step
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading, fit_mask
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_reading import Look, ReferenceMemory, SubjectReading, merge_maps
from gesso.diffusion.subjects import Subject, subject_positions

__all__ = ["EARLY", "Cast", "NamedSubject", "SubjectGuide", "named_subjects", "require_strategy"]

EARLY: Final = 950
"""Timestep from which on references are not read: the layout is not there yet (bytedance/MoMA at 1748535)."""


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Who is to be in a picture, and the adapter by which the UNet looks at them.

    Attributes:
        adapter: to the painter's UNet.
        subjects: at least one.
        follows: whether a subject counts where its noun's attention lay in the step before (MoMA), or in all
            of its region (IP-Adapter, mini-moma). If in all of it, the negative branch does not look at the
            reference, so that guidance carries what it shows further, as it does what words say.
    """

    adapter: SubjectAdapter
    subjects: tuple[Subject, ...]
    follows: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class NamedSubject:
    """A subject, and the positions [n] at which the positive text names it."""

    subject: Subject
    positions: Tensor


class SubjectGuide:
    """Predictions with subjects for one run of the loop; holds what its steps hand on, and nothing else does.

    Letters: B pictures, h x w the size of the latent, W width of the pooled state.

    Args:
        noise: the UNet.
        text: what the picture's texts say.
        subjects: who is in it.
        adapter: the subjects' adapter to this UNet.
        batch: B.
        joined: every place reads all texts, as `JoinedText` has it.
        follows: see `Cast`.
    """

    def __init__(
        self,
        noise: NoiseModel,
        text: PromptText,
        subjects: Sequence[NamedSubject],
        adapter: SubjectAdapter,
        batch: int,
        *,
        joined: bool = False,
        follows: bool = True,
    ) -> None:
        self._noise = noise
        self._subjects = subjects
        self._adapter = adapter
        self._follows = follows
        self._batch = batch
        regions = everywhere(text.regions) if joined else list(text.regions)
        branches = [(regions, 1)] if text.negative is None else [([text.negative], 0), (regions, 1)]
        self._readings = []
        for texts, branch in branches:
            length = sum(each.states.shape[1] for each in texts)
            looks = [
                Look(
                    each.subject.tokens[branch][None],
                    each.positions[each.positions < length],
                    each.subject.token_scale,
                )
                for each in subjects
            ]
            self._readings.append(SubjectReading(ScoreReading(texts, batch), looks, adapter))
        pooled = [texts[0].pooled for texts, _ in branches if texts[0].pooled is not None]
        self._pooled = torch.cat([p.expand(batch, -1) for p in pooled]) if pooled else None  # [.. * B, W]
        self._places = [None if not each.subject.region else regions[each.subject.region].mask
                        for each in subjects]  # fmt: skip
        self.masks: list[Tensor | None] = [None] * len(subjects)
        """[B, h, w] of each subject: where the last step found it; None before the first."""

    def refine(self, latents: Tensor, step: Step) -> Tensor:
        """The latents as they are."""
        return latents

    def predict(self, latents: Tensor, step: Step) -> Prediction:
        """See `Guide.predict`."""
        shape = (latents.shape[2], latents.shape[3])
        weights = [self._weights(number, shape) for number in range(len(self._subjects))]
        for reading in self._readings:
            reading.weights = list(weights)
            reading.clear()
        branches = len(self._readings)
        predicted = self._noise(
            latents.repeat(branches, 1, 1, 1),  # [branches * B, C, h, w]
            step.timestep,
            self._readings,
            self._pooled,
            None if float(step.timestep) >= EARLY else self._memory(weights),
        ).chunk(branches)
        if self._follows:
            self._find(shape)
        return Prediction(predicted[-1], predicted[0] if branches == 2 else None)

    def _memory(self, weights: Sequence[Tensor | None]) -> ReferenceMemory | None:
        """What self-attention reads of the references."""
        features = [each.subject.features for each in self._subjects]
        if not any(features):
            return None
        branches = len(self._readings)
        # rows of all branches look at the same places
        both = [w if w is None or len(w) == 1 else w.repeat(branches, 1, 1) for w in weights]
        if not self._follows and branches == 2:
            looks = torch.tensor([0.0, 1.0], device=self._readings[0].preview.device)
            looks = looks.repeat_interleave(self._batch)[:, None, None]  # [2 * B, 1, 1]
            both = [looks if w is None else looks * w for w in both]
        strengths = [each.subject.strength for each in self._subjects]
        return ReferenceMemory(features, strengths, both, self._adapter)

    def _weights(self, number: int, shape: tuple[int, int]) -> Tensor | None:
        """Where a subject counts, [B or 1, h, w]: where the last step found it, within its region."""
        found, place = self.masks[number], self._places[number]
        if place is None:
            return found
        inside = (fit_mask(place, shape) > SHOWN).float()[None]  # [1, h, w]
        return inside if found is None else found * inside

    def _find(self, shape: tuple[int, int]) -> None:
        """Take the subjects' places from the attention of this step."""
        for number in range(len(self._subjects)):
            branches = [reading.maps[number] for reading in self._readings if reading.maps[number]]
            if branches:
                # of the positive branch; both were spread together, so its largest value may be below 1
                self.masks[number] = merge_maps(branches, shape)[-1]


def named_subjects(
    cast: Cast, regions: Sequence[TextRegion], tokenizer: PreTrainedTokenizerBase
) -> list[NamedSubject]:
    """Subjects with the places of their names among the tokens of all regions.

    Raises:
        UsageError: a region that is not there, or that does not name its subject.
    """
    starts = [0]
    for region in regions:
        starts.append(starts[-1] + region.states.shape[1])
    named = []
    for subject in cast.subjects:
        if not 0 <= subject.region < len(regions):
            raise UsageError(
                f"subject {subject.noun!r} is for region {subject.region}, and the canvas has "
                f"{len(regions) - 1}; count regions from 1"
            )
        region = regions[subject.region]
        ids = region.words.new_zeros(0, dtype=torch.long) if region.ids is None else region.ids
        found = subject_positions(tokenizer, ids, subject.noun) + starts[subject.region]
        named.append(NamedSubject(subject, found.to(region.states.device)))
    return named


def require_strategy(guidance: RegionGuidance) -> bool:
    """Whether a strategy that subjects go with joins all texts.

    Raises:
        UnsupportedError: subjects do not go with it.
    """
    if not isinstance(guidance, AttentionScores | JoinedText):
        raise UnsupportedError(
            f"subjects do not go with region guidance of the kind {type(guidance).__name__}, which asks the "
            "UNet in another way; choose attention-scores or none"
        )
    return isinstance(guidance, JoinedText)
