"""Settings every test runs under."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any import of huggingface_hub

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
# how long an example takes says what else the machine does, not what the code is worth
settings.register_profile("gesso", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gesso")
