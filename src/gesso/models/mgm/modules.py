"""The torch module of a Mini-Gemini: transformers' LLaVA with a second tower and detail mining.

Token embeddings, towers and language model are transformers' own. As everywhere in transformers a picture is
one row of `pixel_values` and its features come from `get_image_features`, which is what `generate` and vLLM's
transformers backend ask for.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    ConvNextConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedConfig,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava.modeling_llava import LlavaModel

from gesso.core.errors import UsageError
from gesso.models.mgm.detail_tower import DetailTower, map_width
from gesso.models.mgm.settings import MgmSettings
from gesso.models.mgm.views import cut_grid, resize, views_of
from gesso.nn.detail_mining import DetailMining
from gesso.nn.projectors import build_projector

__all__ = ["MgmConfig", "MgmForConditionalGeneration", "MgmModel", "module_config"]


class MgmConfig(LlavaConfig):
    """A LlavaConfig with a second tower.

    `gesso` holds the `MgmSettings`. `exact_gelu` says that a Gemma computes the exact GELU: transformers
    takes "gelu" in a Gemma's config for the tanh form, with which Mini-Gemini was not trained.
    """

    model_type = "gesso_mgm"
    # the form that transformers before 5.18 has, too
    sub_configs: ClassVar[dict[str, Any]] = {**LlavaConfig.sub_configs, "detail_config": ConvNextConfig}

    detail_config: dict[str, Any] | PreTrainedConfig | None = None
    exact_gelu: bool = False
    gesso: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Make the parts' configs, and undo what a Gemma's does to its activation."""
        if not isinstance(self.detail_config, PreTrainedConfig):
            self.detail_config = ConvNextConfig(**(self.detail_config or {}))
        # transformers does not say what these take
        inherited: Any = super().__post_init__
        inherited(**kwargs)
        text: Any = self.text_config
        if self.exact_gelu:
            text.hidden_act = "gelu"

    @property
    def settings(self) -> MgmSettings:
        """What distinguishes this Mini-Gemini, apart from its backbones."""
        return MgmSettings.from_dict(self.gesso or {})


class MgmModel(LlavaModel):
    """Both towers, detail mining, projector and language model, without the head.

    Letters: B pictures, H side of the high-resolution picture, V views of S px, P*P tokens of a view, W their
    width, C and M width and side of the detail map, g views along a side, D width of the language model.
    """

    config_class = MgmConfig

    def __init__(self, config: MgmConfig) -> None:
        super().__init__(config)
        self.settings = config.settings
        vision, detail, text = _parts(config)
        projector = build_projector(self.settings.projector_type, vision.hidden_size, text.hidden_size)
        # in place of the one that transformers has just made
        self.add_module("multi_modal_projector", projector)
        self.vision_tower_aux = DetailTower(detail)
        self.detail_mining = DetailMining(vision.hidden_size, map_width(detail))

    def get_image_features(self, pixel_values: Tensor, **options: Any) -> BaseModelOutputWithPooling:
        """Features of pictures of one size.

        Args:
            pixel_values: [B, 3, H, H], H as the settings have it; in float32, since views are made of it.
                Without a grid, pictures as small as a view are not mined.
            options: what transformers passes on to LLaVAs; a choice of layers has no meaning here.

        Returns:
            `pooler_output` has [V*P*P, D] for each picture, the view of the whole picture first.

        Raises:
            UsageError: a size that the model does not have, or an option.
        """
        given = [name for name, value in options.items() if name != "return_dict" and value is not None]
        if given:
            raise UsageError(f"{', '.join(given)} given; Mini-Gemini's settings decide this, leave it out")
        tokens, whole = self.view_tokens(pixel_values)  # [B, V, P*P, W]
        if self.settings.mines(pixel_values.shape[-1]):
            maps = self._maps(pixel_values, tokens.shape[1], whole)  # [B, V, C, m, m]
            # all views at once: [B, V, ...] -> [B*V, ...]
            mined = self.detail_mining(tokens.flatten(0, 1), maps.flatten(0, 1))
            tokens = tokens + mined.view_as(tokens)
        if whole:
            # made last, but it stands first in a prompt
            tokens = tokens.roll(1, dims=1)
        rows = tokens.flatten(1, 2)  # [B, V, P*P, W] -> [B, V*P*P, W]
        features = self.multi_modal_projector(rows) * self._scale(rows)  # [B, V*P*P, D]
        # one entry a picture, as transformers' own LLaVA has it, though it declares a tensor
        each: Any = list(features)
        return BaseModelOutputWithPooling(last_hidden_state=rows, pooler_output=each)

    def view_tokens(self, pixels: Tensor) -> tuple[Tensor, bool]:
        """Tokens of all views [B, V, P*P, W], and whether the last view shows the whole picture."""
        settings, height = self.settings, pixels.shape[-1]
        if height not in (settings.image_size_aux, settings.overview_size):
            raise UsageError(f"pictures of {height} px; this model takes {settings.image_size_aux} px, or "
                             f"{settings.overview_size} px for the overview alone")  # fmt: skip
        grid = settings.image_grid if settings.view_count(height) > 1 else 1
        whole = settings.image_global and grid > 1
        views = views_of(pixels.float(), settings.image_size, grid, whole=whole)  # [B, V, 3, S, S]
        tower = self.vision_tower
        # [B, V, 3, S, S] -> [B*V, 3, S, S]
        flat = views.flatten(0, 1).to(device=tower.device, dtype=tower.dtype)
        states = tower(flat, output_hidden_states=True).hidden_states[settings.select_layer]
        tokens: Tensor = states[:, 1:]  # [B*V, 1 + P*P, W] without the class token
        return tokens.unflatten(0, views.shape[:2]), whole  # [B*V, P*P, W] -> [B, V, P*P, W]

    def _maps(self, pixels: Tensor, views: int, whole: bool) -> Tensor:
        """The part of the detail map that belongs to each view, [B, V, C, m, m]."""
        tower = self.vision_tower_aux
        detail = tower.detail_map(pixels.to(device=tower.device, dtype=tower.dtype))  # [B, C, M, M]
        grid = round((views - whole) ** 0.5)
        parts = cut_grid(detail, grid)  # [B, g*g, C, M/g, M/g]
        if not whole:
            return parts
        return torch.cat([parts, resize(detail, parts.shape[-1])[:, None]], dim=1)

    def _scale(self, like: Tensor) -> Tensor:
        """What Gemma's table multiplies its embeddings by, rounded as they are; 1 for other models.

        In the version that Mini-Gemini was trained with, the model multiplied whatever it was given, pictures
        too.
        """
        return like.new_tensor(getattr(self.get_input_embeddings(), "scalar_embed_scale", 1.0))


class MgmForConditionalGeneration(LlavaForConditionalGeneration):
    """Mini-Gemini with its head."""

    config_class = MgmConfig

    def __init__(self, config: MgmConfig) -> None:
        # past LLaVA's own, which would make its towers and language model only to throw them away
        super(LlavaForConditionalGeneration, self).__init__(config)
        self.model = MgmModel(config)
        _, _, text = _parts(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        finish: Any = self.post_init
        finish()

    def get_image_features(self, pixel_values: Tensor, **options: Any) -> BaseModelOutputWithPooling:
        """Features of pictures; see `MgmModel.get_image_features`."""
        output: BaseModelOutputWithPooling = self.model.get_image_features(pixel_values, **options)
        return output


def _parts(config: MgmConfig) -> tuple[Any, Any, Any]:
    """Configs of both towers and of the language model, which once made are no dicts any more."""
    return config.vision_config, config.detail_config, config.text_config


# so that Auto classes find a saved folder's class, once gesso is imported
AutoConfig.register(MgmConfig.model_type, MgmConfig)
AutoModel.register(MgmConfig, MgmModel)
AutoModelForImageTextToText.register(MgmConfig, MgmForConditionalGeneration)


def module_config(
    settings: MgmSettings,
    vision: PreTrainedConfig,
    detail: ConvNextConfig,
    text: PreTrainedConfig,
    *,
    exact_gelu: bool = False,
    image_token_index: int = 0,
) -> MgmConfig:
    """The transformers config of a Mini-Gemini with these settings and backbones.

    Args:
        settings: what distinguishes this Mini-Gemini.
        vision: config of the low-resolution tower, a CLIPVisionConfig.
        detail: config of the high-resolution tower.
        text: config of the language model.
        exact_gelu: for a Gemma, see `MgmConfig`.
        image_token_index: the id that stands for pictures where transformers reads ids by itself.
    """
    views = settings.view_count(settings.image_size_aux)
    return MgmConfig(
        vision_config=vision,
        detail_config=detail,
        text_config=text,
        exact_gelu=exact_gelu,
        image_token_index=image_token_index,
        image_seq_length=views * settings.grid_side**2,
        vision_feature_layer=settings.select_layer,
        tie_word_embeddings=text.tie_word_embeddings,
        gesso=settings.to_dict(),
    )
