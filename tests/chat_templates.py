"""Chat templates as published checkpoints have them, and a tokenizer that knows their tags."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TAGS = {
    "llama3": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "chatml": ("<|im_start|>", "<|im_end|>"),
    "phi3": ("<s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
}
TEMPLATES = {
    "llama3": (
        "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}"
        "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
    "chatml": (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
        "'<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "phi3": (
        "{% for message in messages %}"
        "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    # of the first weeks: the system message is passed over
    "phi3-early": (
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '<|user|>\n' + message['content'] + '<|end|>\n<|assistant|>\n' }}"
        "{% elif message['role'] == 'assistant' %}{{ message['content'] + '<|end|>\n' }}{% endif %}"
        "{% endfor %}"
    ),
    "refusing": (
        "{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{ raise_exception('no system role') }}{% endif %}"
        "{{ '[' + message['role'] + '] ' + message['content'] + '\n' }}{% endfor %}"
    ),
    "forgetful": "{% for message in messages[-1:] %}{{ message['content'] }}{% endfor %}",
}
CORPUS = (
    "canvas.add_local_description(location='on the left', offset='no offset', area='a small square area', ",
    "distance_to_viewer=3.5, description='a red fish', detailed_descriptions=[], tags='fish', ",
    "atmosphere='calm', style='storybook', quality_meta='clean', HTML_web_color_name='red')\n```python\n",
    "canvas = Canvas()\ncanvas.set_global_description(description='in the sea', detailed_descriptions=[], ",
)


@cache
def tokenizer(name: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer under a template."""
    family = name.partition("-")[0]
    tags = TAGS.get(family, ("<s>",))
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[*tags, "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tags[0],
        eos_token="</s>",
        pad_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = TEMPLATES[name]
    return made
