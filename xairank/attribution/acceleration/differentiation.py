"""Who differentiates the layers of a frozen model: they themselves, which is fast, or PyTorch, which one can change."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_own_gradients_are_wanted = ContextVar("_own_gradients_are_wanted", default=True)


@contextmanager
def pytorch_gradients() -> Iterator[None]:
    """Lets PyTorch differentiate each function by itself, for methods that change the gradient of some of them."""
    token = _own_gradients_are_wanted.set(False)
    try:
        yield
    finally:
        _own_gradients_are_wanted.reset(token)


def uses_own_gradient(inputs: Tensor) -> bool:
    """Whether a gradient with respect to these may be wanted, and a layer's own one is to give it."""
    return inputs.requires_grad and torch.is_grad_enabled() and _own_gradients_are_wanted.get()
