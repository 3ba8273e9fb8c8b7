"""Settings every test runs under."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any import of huggingface_hub

import torch

torch.set_num_threads(1)
