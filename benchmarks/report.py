"""What every benchmark says about where it was measured."""

import platform
import subprocess
from pathlib import Path

__all__ = ["commit", "device_name", "hardware", "setting"]


def setting() -> dict[str, str]:
    """Commit, processor and Python of a measurement."""
    return {"commit": commit(), "hardware": hardware(), "python": platform.python_version()}


def commit() -> str:
    """Short name of the checked-out commit, or "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def hardware() -> str:
    """Name of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device_name(device: str) -> str:
    """Name of the GPU that a torch device is, or "cpu"."""
    import torch  # here, so that what measures start-up does not import it

    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
