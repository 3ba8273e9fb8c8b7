"""The painter: texts with places in, pictures out, by the stages of this folder.

encode -> start (zeros, or a latent under noise) -> denoise -> decode, and for a high-resolution pass
enlarge and once more from there, with the same texts and the generators going on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch
from PIL import Image as Pictures
from torch import Tensor

from gesso.diffusion.conditions import PromptText, RegionPrompt, TextRegion
from gesso.diffusion.decode import LinearPreview, decode_pixels, pictures_of
from gesso.diffusion.denoise import Kept, Progress, Run, Stage, Watch, denoise
from gesso.diffusion.encode import Pooled
from gesso.diffusion.guidance import strategy
from gesso.diffusion.guide_attention import JoinedText
from gesso.diffusion.guide_subject import (
    Cast,
    NamedSubject,
    SubjectGuide,
    named_subjects,
    require_strategy,
)
from gesso.diffusion.guides import Guide
from gesso.diffusion.latents import (
    Inpaint,
    canvas_latent,
    draw_noise,
    generators_for,
    latent_factor,
    picture_latent,
    pixels_of,
)
from gesso.diffusion.memory import MemoryPlan, Residence, plan_memory
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.parts import PaintModel, settle
from gesso.diffusion.schedule import make_schedule
from gesso.diffusion.settings import PaintSettings, require_fit
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_latent import SAMPLER, SAMPLER_CONFIG, noised_reference, reference_latent
from gesso.diffusion.subjects import SubjectFeatures, extract_features
from gesso.media.subjects import Reference

__all__ = ["Painter"]


class Painter:
    """Paints pictures with one model; several threads may call it at once.

    Args:
        model: its parts; they are moved and cast as the plan says, and belong to the painter from then on.
        device: where to paint.
        plan: how the model is laid out; None makes one by `plan_memory`.
        pooled: which pooled text state SDXL reads (see `gesso.diffusion.encode.Pooled`). None takes Omost's
            "unprojected" for pictures with regions and the usual "projected" for plain ones.

    Raises:
        UnsupportedError: the UNet's attention layers are of another kind than those of SD 1.5 and SDXL.
    """

    def __init__(
        self,
        model: PaintModel,
        *,
        device: torch.device | str = "cpu",
        plan: MemoryPlan | None = None,
        pooled: Pooled | None = None,
    ) -> None:
        self.model = model
        self.plan = plan or plan_memory(device, model.parameters())
        self.pooled = pooled
        self.device = torch.device(device)
        self._residence = Residence(self.plan, device)
        self._preview: LinearPreview | None = None
        self._preview_lock = Lock()
        settle(model, self.plan, self._residence)

    @property
    def factor(self) -> int:
        """Pixels along one side of a cell of the latent; sides of pictures are multiples of it."""
        return latent_factor(self.model.vae)

    def paint(
        self,
        prompts: Sequence[RegionPrompt],
        settings: PaintSettings | None = None,
        *,
        initial_latent: Tensor | None = None,
        inpaint: Inpaint | None = None,
        cast: Cast | None = None,
        watch: Watch | None = None,
    ) -> list[Pictures.Image]:
        """Paint a batch of pictures of the same texts.

        Args:
            prompts: the first covers the whole canvas.
            settings: None takes the defaults.
            initial_latent: [1 or batch, C, h, w] to begin from, as `canvas_latent` and `picture_latent` give;
                needed where the strength is below 1, unless a picture to inpaint came.
            inpaint: paint a part of this picture only; it must be of the size asked for.
            cast: subjects that are to be in the picture, made for this painter.
            watch: who is told about the steps and may stop them.

        Returns:
            One picture for each of the batch.

        Raises:
            UsageError: prompts, settings, subjects and pictures do not fit each other.
            UnsupportedError: subjects came with a guidance that does not know them.
            PaintingCancelledError: `watch` stopped it.
        """
        settings = settings or PaintSettings()
        require_fit(settings, self.factor, initial_latent, inpaint)
        with self._residence.turn(), torch.no_grad():
            if inpaint is not None and initial_latent is None:
                initial_latent = self.picture_latent(inpaint.picture, settings.size)
            text = self._encode(prompts, settings)
            job = _Job(settings, text, generators_for(settings.seed, settings.batch), self._named(cast, text))
            pictures = self._pass(job, initial_latent, inpaint, _Reporter(self, watch or Watch(), "first"))
            if settings.hires is not None:
                pictures = self._enlarge(job, pictures, _Reporter(self, watch or Watch(), "hires"))
        return pictures if inpaint is None else [inpaint.blend(picture) for picture in pictures]

    def canvas_latent(self, canvas: Pictures.Image, size: tuple[int, int]) -> Tensor:
        """The latent of a canvas's colours, to begin from with a strength of 0.95 or so."""
        with self._residence.turn(), self._residence.using(self.model.vae):
            return canvas_latent(self.model.vae, canvas, size).to(self.device)

    def picture_latent(self, picture: Pictures.Image, size: tuple[int, int]) -> Tensor:
        """The latent of a picture, to begin from with a strength below 1."""
        with self._residence.turn(), self._residence.using(self.model.vae):
            return picture_latent(self.model.vae, picture, size).to(self.device)

    def features(
        self, reference: Reference, noun: str, adapter: SubjectAdapter, seed: int = 0
    ) -> SubjectFeatures:
        """What self-attention keeps of a reference picture; serves any number of pictures of this painter.

        Args:
            reference: sides are multiples of `factor`.
            noun: what the subject is, the only text that the pass reads.
            adapter: to this painter's UNet.
            seed: of the noise that is drawn for latent and timestep.
        """
        size = reference.image.size
        with self._residence.turn(), torch.no_grad():
            with self._residence.using(*self.model.text.encoders):
                text = self._cast(self.model.text.plain(noun, torch.ones(1, 1), self.pooled or "projected"))
            draws = [draw_noise(generators_for(seed, 1), self._latent_shape(size))]
            draws.append(draw_noise(generators_for(seed + 1, 1), self._latent_shape(size)))
            with self._residence.using(self.model.vae):
                latent = reference_latent(self.model.vae, pixels_of(reference.image), draws[0])
            noisy = noised_reference(latent, draws[1], self._sampling(SAMPLER)).to(self.device)
            mask = torch.from_numpy(reference.mask)[None, None].to(self.device)  # [1, 1, rows, columns]
            noise = NoiseModel(self.model.unet, size, self.plan.precision.model)
            with self._residence.using(self.model.unet, layered=True):
                return extract_features(noise, adapter, noisy, mask, text)

    def preview(self, latents: Tensor) -> list[Pictures.Image]:
        """Small pictures of latents [B, C, h, w], one pixel for each cell; the first call fits the map."""
        with self._preview_lock:
            if self._preview is None:
                self._preview = LinearPreview.fit(self.model.vae)
        return self._preview.pictures(latents)

    def _encode(self, prompts: Sequence[RegionPrompt], settings: PaintSettings) -> PromptText:
        plain = len(prompts) == 1 or isinstance(strategy(settings.guidance), JoinedText)
        pooled = self.pooled or ("projected" if plain else "unprojected")
        text = self.model.text
        with self._residence.using(*text.encoders):
            regions = [self._cast(text.region(prompt, pooled)) for prompt in prompts]
            negative = None
            if settings.guidance_scale != 1 and regions:
                whole = torch.ones_like(regions[0].mask)
                negative = self._cast(text.plain(settings.negative_prompt, whole, pooled))
        return PromptText(tuple(regions), negative)

    def _cast(self, region: TextRegion) -> TextRegion:
        dtype = self.plan.precision.model
        return replace(
            region,
            mask=region.mask.to(self.device),
            states=region.states.to(self.device, dtype),
            words=region.words.to(self.device),
            pooled=None if region.pooled is None else region.pooled.to(self.device, dtype),
        )

    def _pass(
        self, job: "_Job", initial: Tensor | None, inpaint: Inpaint | None, reporter: "_Reporter"
    ) -> list[Pictures.Image]:
        """From a start to pictures, at the size of the job's settings."""
        settings = job.settings
        noise = draw_noise(job.generators, self._latent_shape(settings.size)).to(self.device)
        schedule = make_schedule(
            settings.sampler,
            settings.steps,
            settings.strength,
            config=self._sampling(settings.sampler),
            device=self.device,
        )
        run = Run(
            schedule,
            self._guide(job),
            settings.guidance_scale,
            job.generators,
            None if inpaint is None else self._kept(inpaint, noise),
            reporter.callback(len(schedule.timesteps)),
            reporter.watch.cancelled,
        )
        start = schedule.start(torch.zeros_like(noise) if initial is None else initial.to(noise), noise)
        with self._residence.using(self.model.unet, layered=True):
            latents = denoise(start, run)
        with self._residence.using(self.model.vae):
            return pictures_of(decode_pixels(self.model.vae, latents))

    def _latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        channels: int = self.model.vae.config["latent_channels"]
        return channels, size[1] // self.factor, size[0] // self.factor

    def _sampling(self, sampler: str) -> Mapping[str, Any]:
        """The checkpoint's scheduler config; DDIM, by which MoMA paints, as MoMA sets it."""
        return {**self.model.scheduler, **SAMPLER_CONFIG} if sampler == SAMPLER else self.model.scheduler

    def _named(self, cast: Cast | None, text: PromptText) -> tuple[Cast, list[NamedSubject]] | None:
        if cast is None:
            return None
        return cast, named_subjects(cast, text.regions, self.model.text.tokenizers[0])

    def _guide(self, job: "_Job") -> Guide:
        noise = NoiseModel(self.model.unet, job.settings.size, self.plan.precision.model)
        if job.cast is not None:
            cast, named = job.cast
            joined = require_strategy(strategy(job.settings.guidance))
            batch, follows = job.settings.batch, cast.follows
            return SubjectGuide(noise, job.text, named, cast.adapter, batch, joined=joined, follows=follows)
        return strategy(job.settings.guidance).guide(noise, job.text, job.settings.batch)

    def _kept(self, inpaint: Inpaint, noise: Tensor) -> Kept:
        there = self.picture_latent(inpaint.picture, inpaint.picture.size)
        mask = inpaint.latent_mask((noise.shape[2], noise.shape[3]))
        return Kept(there.to(noise), noise, mask.to(noise))

    def _enlarge(
        self, job: "_Job", pictures: Sequence[Pictures.Image], reporter: "_Reporter"
    ) -> list[Pictures.Image]:
        hires = job.settings.hires
        if hires is None:
            return list(pictures)
        size = hires.size(job.settings.size)
        initial = torch.cat([self.picture_latent(picture, size) for picture in pictures])
        settings = replace(job.settings, size=size, steps=hires.steps, strength=hires.strength)
        return self._pass(replace(job, settings=settings), initial, None, reporter)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What belongs to one call: settings of a pass, texts, and generators that go on from pass to pass."""

    settings: PaintSettings
    text: PromptText
    generators: list[torch.Generator]
    cast: tuple[Cast, list[NamedSubject]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Reporter:
    """Turns the loop's reports into those a caller gets."""

    painter: Painter
    watch: Watch
    stage: Stage

    def callback(self, steps: int) -> Callable[[int, Callable[[], Tensor]], None] | None:
        """What the loop calls; None if nobody listens."""
        report = self.watch.report
        if report is None:
            return None

        def after(step: int, latents: Callable[[], Tensor]) -> None:
            if step % self.watch.every == 0 or step == steps:
                report(Progress(self.stage, step, steps, lambda: self.painter.preview(latents())))

        return after
