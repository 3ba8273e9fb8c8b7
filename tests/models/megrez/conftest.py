import pytest

from gesso.models.megrez.model import MegrezChat
from models.megrez import originals


@pytest.fixture(scope="package")
def chat(tmp_path_factory: pytest.TempPathFactory) -> MegrezChat:
    """A tiny Megrez as it is loaded from the published form."""
    return originals.chat(tmp_path_factory.mktemp("megrez"))
