"""What the engine checks of maps, and of what a model computes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from xairank.attribution.forward_pass import ForwardPass


class NonFiniteError(ValueError):
    """What a model computes for an image, or a map of it, is NaN or infinite.

    Attributes:
        method: Name of the method that met it.
        what: What it is, in words.
        image: The image's place in the batch that was given to :func:`~xairank.attribution.explain`.
    """

    def __init__(self, method: str, what: str, image: int) -> None:
        named = f"{method}: " if method else ""
        super().__init__(
            f"{named}{what} of image {image} holds NaN or infinite values; check that image and the model's weights"
        )
        self.method, self.what, self.image = method, what, image


def check_shape(method: str, maps: Tensor, images: Tensor) -> None:
    """Checks that a method gave a map (H, W) for each image.

    Raises:
        ValueError: It gave something else.
    """
    expected = (len(images), *images.shape[2:])
    if not isinstance(maps, Tensor) or maps.shape != expected:
        found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(
            f"{method}: returned {found} for {len(images)} images, expected maps {expected}; reduce channels to one"
        )


def check_feature_map(name: str, method: object, forward: ForwardPass) -> None:
    """Checks that a method that reads the feature map has one to read.

    Raises:
        ValueError: The model's features are no map.
    """
    if getattr(method, "needs_feature_map", False) and forward.features.ndim != 4:
        raise ValueError(
            f"{name}: needs a feature map (B, C, h, w), but the model's features are {tuple(forward.features.shape)}; "
            "name a layer that gives one, or choose another method"
        )


@contextmanager
def naming_what_is_missing(method: str, forward: ForwardPass) -> Iterator[None]:
    """Puts into words that a method reads what it said it does not need.

    Raises:
        ValueError: Instead of AttributeError, with its trace.
    """
    try:
        yield
    except AttributeError as error:
        what = str(error.name).strip("_")
        if error.obj is not forward or what not in ("features", "logits", "scores", "parts"):
            raise
        missing = ValueError(
            f"{method}: reads {'the gradients' if what == 'parts' else what} of the forward pass, which were not "
            "computed, as the method has needs_prediction = False; leave that out of its class"
        )
        raise missing.with_traceback(error.__traceback__) from None


def check_finite(method: str, what: str, values: Tensor) -> None:
    """Checks values (B, ...) of which ``what`` tells in words.

    Raises:
        NonFiniteError: Some are NaN or infinite; names the first image.
    """
    if not bool(values.isfinite().all()):
        images = (~values.isfinite()).flatten(1).any(dim=1)
        raise NonFiniteError(method, what, int(images.nonzero()[0]))
