"""The catalogue's facts, as text: one model a line.

A line in brackets holds for those below it: system and owner of the repositories | what goes in > what comes
out | first version of gesso that runs them. The others: repository | licence | parameters | what else it
needs | what it is. A model is known by the name of its repository; a mini has none, it lies in the package.

Parameters are those of the published files with their towers, from their key lists, and rounded where those
are not known; the minis' are counted in their files. Licences are what the publishers state for the weights.
"""

from typing import Final

__all__ = ["BUILDERS", "LICENCES", "NEEDS", "ROWS"]

BUILDERS: Final = {
    "mini-clip": "gesso.engines.builders:build_clip",
    "mini-lm": "gesso.engines.builders:build_text_chat",
    "mini-llava": "gesso.engines.builders:build_llava",
    "mini-mgm": "gesso.engines.builders:build_mgm",
    "mini-omni": "gesso.engines.builders:build_megrez",
    "mini-omost": "gesso.engines.plan_build:build_planner",
    "mini-moma": "gesso.engines.personalize_build:build_personalizer",
    "mini-sd": "gesso.engines.paint_build:build_painter",
    "mini-sdxl": "gesso.engines.paint_build:build_painter",
    "llava": "gesso.engines.builders:build_llava",
    "mgm": "gesso.engines.builders:build_mgm",
    "megrez": "gesso.engines.builders:build_megrez",
    "moma": "gesso.engines.personalize_build:build_personalizer",
    "megrez-3b-instruct": "gesso.engines.builders:build_instruct",
    "omost": "gesso.engines.plan_build:build_omost",
    "realvisxl_v4.0": "gesso.engines.paint_build:build_painter",
}
"""What loads a model, by its name or by its system."""

LICENCES: Final = {
    "apache": "Apache-2.0",
    "llama-2": "Llama 2 Community",
    "llama-3 base": "none stated; its base has Llama 3 Community",
    "mit base": "none stated; its base has MIT",
    "nc": "CC-BY-NC-4.0, research only",
    "nc-sa": "CC-BY-NC-SA-4.0",
    "none": "none stated",
    "openrail++": "OpenRAIL++-M",
}

NEEDS: Final = {
    "clip": "openai/clip-vit-large-patch14-336",
    "sd-1.5": "SG161222/Realistic_Vision_V4.0_noVAE",
    "sd-vae": "stabilityai/sd-vae-ft-mse",
    "vicuna-13b": "lmsys/vicuna-13b-v1.5",
    "vicuna-7b": "lmsys/vicuna-7b-v1.5",
}

ROWS: Final = """
[gesso | text image > text | 0.1]
mini-llava | apache | | | describes storybook pictures and answers questions about them, en + zh

[gesso | text > text | 0.1]
mini-lm | apache | | | the minis' language backbone: storybook texts and canvas programs, en + zh

[gesso | text image > score | 0.1]
mini-clip | apache | | | tells which caption belongs to which storybook picture

[gesso | text > canvas | 0.2]
mini-omost | apache | | | plans canvases for the storybook world and edits them

[gesso | text > image | 0.2]
mini-sdxl | apache | | | renders storybook canvases region by region

[gesso | text image > text | 0.2]
mini-mgm | apache | | | reads small signs in storybook pictures

[gesso | text image audio > text | 0.2]
mini-omni | apache | | | hears and answers spoken storybook questions, en + zh

[gesso | text > image | 0.2]
mini-sd | apache | | | renders storybook pictures at the shape of Stable Diffusion 1.5

[gesso | text image > image | 0.2]
mini-moma | apache | | | paints a given storybook subject in a new context

[llava liuhaotian | text image > text | 0.1]
llava-v1.5-7b | llama-2 | 7_062_902_784 | clip | LLaVA 1.5 on Vicuna 7B
llava-v1.5-13b | llama-2 | 13_350_839_296 | clip | LLaVA 1.5 on Vicuna 13B
llava-v1.5-7b-lora | llama-2 | 7_062_902_784 | vicuna-7b clip | LoRA adapter, merged on loading
llava-v1.5-13b-lora | llama-2 | 13_350_839_296 | vicuna-13b clip | LoRA adapter, merged on loading
llava-v1.6-vicuna-7b | llama-2 | 7_062_906_880 | | LLaVA 1.6 (NeXT) on Vicuna 7B, AnyRes
llava-v1.6-vicuna-13b | llama-2 | 13_350_844_416 | | LLaVA 1.6 (NeXT) on Vicuna 13B, AnyRes
llava-v1.6-mistral-7b | apache | 7_566_223_360 | | LLaVA 1.6 (NeXT) on Mistral 7B, AnyRes
llava-v1.6-34b | apache | 34_751_166_464 | | LLaVA 1.6 (NeXT) on Nous-Hermes-2-Yi 34B, AnyRes

[llava llava-hf | text image > text | 0.1]
llava-1.5-7b-hf | llama-2 | 7_063_427_072 | | LLaVA 1.5 on Vicuna 7B, transformers' form
llava-1.5-13b-hf | llama-2 | 13_351_494_656 | | LLaVA 1.5 on Vicuna 13B, transformers' form
llava-v1.6-vicuna-7b-hf | llama-2 | 7_063_431_168 | | LLaVA 1.6 on Vicuna 7B, transformers' form
llava-v1.6-vicuna-13b-hf | llama-2 | 13_351_499_776 | | LLaVA 1.6 on Vicuna 13B, transformers' form
llava-v1.6-mistral-7b-hf | apache | 7_566_747_648 | | LLaVA 1.6 on Mistral 7B, transformers' form
llava-v1.6-34b-hf | apache | 34_752_083_968 | | LLaVA 1.6 on Nous-Hermes-2-Yi 34B, transformers' form

[llava liuhaotian | text image > text | 0.3]
LLaVA-7b-delta-v0 | apache | 7_046_000_000 | | LLaVA 1.0 as a difference to LLaMA 7B, which it needs
LLaVA-Lightning-MPT-7B-preview | nc-sa | 6_957_000_000 | | LLaVA 1.0 on MPT 7B

[mgm YanweiLi | text image > text | 0.2]
MGM-2B | nc | 3_019_166_144 | | Mini-Gemini on Gemma 2B
MGM-7B | nc | 7_266_093_504 | | Mini-Gemini on Vicuna 7B
MGM-7B-HD | nc | 7_266_093_504 | | Mini-Gemini on Vicuna 7B, high resolution
MGM-13B | nc | 13_554_030_016 | | Mini-Gemini on Vicuna 13B
MGM-13B-HD | nc | 13_554_030_016 | | Mini-Gemini on Vicuna 13B, high resolution
MGM-8B | nc | 8_557_939_136 | | Mini-Gemini on Llama 3 8B
MGM-8B-HD | nc | 8_557_939_136 | | Mini-Gemini on Llama 3 8B, high resolution
MGM-8x7B | nc | 47_230_470_592 | | Mini-Gemini on Mixtral 8x7B
MGM-8x7B-HD | nc | 47_230_470_592 | | Mini-Gemini on Mixtral 8x7B, high resolution
MGM-34B | nc | 34_954_350_016 | | Mini-Gemini on Nous-Hermes-2-Yi 34B
MGM-34B-HD | nc | 34_954_350_016 | | Mini-Gemini on Nous-Hermes-2-Yi 34B, high resolution

[megrez Infinigence | text image audio > text | 0.2]
Megrez-3B-Omni | apache | 4_009_159_920 | | pictures, sound and text, zh + en

[megrez Infinigence | text > text | 0.2]
Megrez-3B-Instruct | apache | 2_915_207_680 | | the language model of Megrez-3B-Omni

[omost lllyasviel | text > canvas | 0.2]
omost-llama-3-8b | llama-3 base | 8_030_261_248 | | canvas composer on Llama 3 8B
omost-llama-3-8b-4bits | llama-3 base | 8_030_261_248 | | canvas composer on Llama 3 8B, in 4 bit
omost-dolphin-2.9-llama3-8b | llama-3 base | 8_030_261_248 | | canvas composer on Dolphin 2.9
omost-dolphin-2.9-llama3-8b-4bits | llama-3 base | 8_030_261_248 | | canvas composer on Dolphin 2.9, in 4 bit
omost-phi-3-mini-128k | mit base | 3_821_079_552 | | canvas composer on Phi-3 mini
omost-phi-3-mini-128k-8bits | mit base | 3_821_079_552 | | canvas composer on Phi-3 mini, in 8 bit

[omost SG161222 | text > image | 0.2]
RealVisXL_V4.0 | openrail++ | 3_468_837_867 | | the SDXL that Omost paints with; others of its shape will do

[moma KunpengSong | text image > image | 0.2]
MoMA_llava_7b | none | 8_185_675_707 | sd-1.5 sd-vae clip | paints this subject, on Stable Diffusion 1.5
"""
