"""What needs a GPU: skipped where PyTorch finds none, run first of all by ``make gpu-check``."""

from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="PyTorch finds no GPU"))
