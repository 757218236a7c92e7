"""``xairank.rank``: the methods ranked for a network, or several, that a script holds."""

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from xairank.attribution import AttributionMethod
from xairank.console import print_line
from xairank.errors import UserError
from xairank.evaluation import FunctionMetric, Metric
from xairank.experiment.classifier import Classifier, adapt_in_words, check_labels, hash_state, weights_type
from xairank.experiment.clock import Clock
from xairank.experiment.explaining import Samples
from xairank.experiment.prediction import predict_logits
from xairank.experiment.ranked import rank_classifier
from xairank.experiment.trial import small_network, try_metrics
from xairank.experiment.wiring import create_data, create_methods, create_metrics, with_controls
from xairank.interface.configuration import Config, checked, composed, data_overrides, entries_of
from xairank.interface.ranking import Ranking
from xairank.interface.samples import MemorySamples, checked_images, checked_labels, checked_masks, gather
from xairank.runs.folder import RunFolder

Methods = str | Mapping[str, AttributionMethod]
Metrics = str | Mapping[str, Metric | Callable[[Tensor, Tensor], Tensor]]


def rank(
    model: nn.Module | Sequence[nn.Module],
    images: Any = None,  # noqa: ANN401 - a tensor, an array, or an iterable of batches
    masks: Any = None,  # noqa: ANN401
    labels: Any = None,  # noqa: ANN401
    *,
    data: str | Path | Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    methods: Methods = "gradients",
    metrics: Metrics = "plausibility",
    metric: str | None = None,
    layer: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 42,
    batch_limit: int | str = "auto",
    keep_maps: bool = True,
) -> Ranking:
    """Ranks attribution methods for a classifier, by the masks of real defects.

    The predicted class is explained, and only defects that are classified correctly, with a mask in view, are ranked;
    all others are listed with their reason. The model stays on its device and is left as it is.

    Args:
        model: Any classifier: images (B, 3, H, W) -> logits (B, classes), see :func:`xairank.adapt`. Several of them,
            such as checkpoints of several trainings, take the place of seeds in the statistics.
        images: (N, 3, H, W) as the model takes them, or uint8, which becomes [0, 1]; or a data loader of batches
            (images, masks, labels). Images in [0, 1] with ``mean`` and ``std`` keep black the baseline of integrated
            gradients.
        masks: (N, H, W), nonzero on the defect; all zero for images without one.
        labels: (N,), names of classes or indices of outputs; None takes every prediction as right.
        data: Instead of the three, images in files: a table (.csv, .parquet), a folder in MVTec layout, or keys of the
            configuration's ``data``, such as ``{"images": ..., "masks": ..., "image_size": 256}``.
        classes: Names of the outputs, in order. By default those of the data, A to Z, or their numbers.
        methods: An option of the group ``attribution``, or methods by name.
        metrics: An option of the group ``evaluation``, or metrics by name.
        metric: The one that decides; by default ``topk_overlap``, or the first.
        layer: The module that gives the feature map, see :func:`xairank.adapt`.
        mean: Subtracted from each channel before the model; by default nothing is.
        std: What each channel is then divided by.
        seed: Of methods that draw at random.
        batch_limit: Images, or (image, step) pairs, in one pass.
        keep_maps: Whether the maps are kept for figures of single images.

    Raises:
        UserError: The images, masks, labels, classes or the model do not fit one another.

    Example:
        >>> from torchvision.models import resnet18
        >>> _ = torch.manual_seed(0)
        >>> images, masks = torch.rand(8, 3, 64, 64), torch.zeros(8, 64, 64, dtype=torch.bool)
        >>> masks[:, 20:30, 20:40] = True
        >>> ranking = rank(resnet18(num_classes=2), images, masks)  # doctest: +ELLIPSIS
        Feature map: layer4, 512 channels of 2 x 2...
        >>> sorted(ranking.table["method"])
        ['gradcam', 'integrated_gradients', 'saliency']
    """
    models = [model] if isinstance(model, nn.Module) else list(model) if isinstance(model, Iterable) else []
    if not models or not all(isinstance(one, nn.Module) for one in models):
        raise UserError(f"model: found {type(model).__name__}; expected a torch.nn.Module, or several in a list")
    if any(isinstance(one, torch.jit.ScriptModule) for one in models):
        raise UserError("model: found a TorchScript module, in which no layer can be found; give the module itself")
    for name, values in (("mean", mean), ("std", std)):
        _check_channels(name, values)
    config = _configuration(methods, metrics, metric, data)
    config["attribution"] |= {"batch_limit": batch_limit, "keep_maps": keep_maps}
    config["seed"] = seed
    checked(config)
    made_methods = create_methods(config) if isinstance(methods, str) else with_controls(as_methods(methods), config)
    made_metrics = create_metrics(config) if isinstance(metrics, str) else as_metrics(metrics)
    if data is not None:
        if any(one is not None for one in (images, masks, labels)):
            raise UserError("data: given beside images, masks or labels; expected one of both; remove the other")
        samples: Samples = create_data(config)
        size = samples.image_size
    else:
        images, masks, labels = _given(images, masks, labels)
        size = (images.shape[2], images.shape[3])
    place = tempfile.TemporaryDirectory(prefix="xairank-")
    given = {"mean": mean, "std": std}
    normalize = {name: None if some is None else tuple(map(float, some)) for name, some in given.items()}
    config["model"] |= {"layer": layer, **{name: some and list(some) for name, some in normalize.items()}}
    architectures = list(map(_architecture, models))
    for number, one in enumerate(models):
        name = f"{type(one).__name__}"
        if len(set(architectures)) > 1:  # which are ranked apart, whatever they are called
            name += f" {list(dict.fromkeys(architectures)).index(architectures[number])}"
        config["model"] |= {"factory": name, "weights": f"network {number}" if len(models) > 1 else None}
        clock = Clock()
        adapted = adapt_in_words(one, layer, size, **normalize)
        if data is None:
            fitting = images.to(weights_type(one))
            names = _names(classes, adapted, fitting)
            found = _labels(labels, adapted, fitting, names)
            samples = MemorySamples(fitting, masks, found, labelled=labels is not None)
        elif weights_type(one) != torch.float32:
            raise UserError(f"model: its weights are {weights_type(one)}, images in files float32; give model.float()")
        else:
            labelled = sorted(samples.table["label"].unique())
            names = _distinct(classes) if classes is not None else labelled
            check_labels(names, labelled, "classes")
        classifier = Classifier(adapted, names)
        run = RunFolder(Path(place.name) / f"network={number},seed={seed}", checked(_copied(config)), hash_state(one))
        with _seeded(seed):
            rank_classifier(run, classifier, samples, made_methods, made_metrics, clock, "classes")
    return Ranking(place.name, place)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Fixes what methods draw, and leaves the caller's generators as they were."""
    with isolate_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield


def _configuration(methods: Methods, metrics: Metrics, metric: str | None, data: Any) -> Config:  # noqa: ANN401
    overrides = ["model=python", "model.factory=given"]
    overrides += [f"attribution={methods}"] if isinstance(methods, str) else []
    overrides += [f"evaluation={metrics}"] if isinstance(metrics, str) else []
    overrides += data_overrides(data) if data is not None else ["data.category=given"]
    config = composed(*overrides)
    if not isinstance(methods, str):
        config["attribution"]["methods"] = entries_of(methods)
    if not isinstance(metrics, str):
        config["evaluation"]["metrics"] = entries_of(metrics)
    choose_metric(config, metric)
    return config


def choose_metric(config: Config, metric: str | None) -> None:
    """Sets the metric that decides: the one asked for, else the default one, else the first."""
    known = list(config["evaluation"]["metrics"])
    default = config["ranking"]["metric"]
    config["ranking"]["metric"] = metric or (default if default in known else [*known, default][0])


def as_methods(methods: Mapping[str, AttributionMethod]) -> dict[str, AttributionMethod]:
    """Methods by name; a plain function is one too.

    Raises:
        UserError: One of them is neither.
    """
    _check_callable("methods", methods)
    return dict(methods)


def as_metrics(metrics: Mapping[str, Metric | Callable[[Tensor, Tensor], Tensor]]) -> dict[str, Metric]:
    """Metrics by name; a plain function is one too.

    Raises:
        UserError: One of them is neither, or gives something else than a number an image.
    """
    _check_callable("metrics", metrics)
    made = {name: one if isinstance(one, Metric) else FunctionMetric(one) for name, one in metrics.items()}
    try_metrics(made, small_network())
    return made


def _check_callable(what: str, entries: Mapping[str, object]) -> None:
    for name, one in entries.items():
        if isinstance(one, type) or not callable(one):
            found = f"the class {one.__name__}" if isinstance(one, type) else type(one).__name__
            raise UserError(f"{what}[{name!r}]: found {found}; expected an object that can be called, or a function")


def _check_channels(name: str, values: Any) -> None:  # noqa: ANN401
    try:
        plain = [float(one) for one in values] if isinstance(values, Iterable) else []
    except (TypeError, ValueError):
        plain = []
    if values is not None and (len(plain) != 3 or (name == "std" and min(plain) <= 0)):
        raise UserError(
            f"{name}: found {values}; expected three numbers, one a channel{' and above 0' * (name == 'std')}"
        )


def _given(images: Any, masks: Any, labels: Any) -> tuple[Tensor, Tensor, Any]:  # noqa: ANN401
    """Checked images and masks, and labels as they are, from tensors or from a data loader."""
    if images is None:
        raise UserError("images: missing; expected images, masks and labels, a data loader of them, or data=...")
    if masks is None:
        if isinstance(images, Tensor) or not isinstance(images, Iterable):
            raise UserError("masks: missing; expected (images, height, width), or a data loader instead of images")
        images, masks, labels = gather(images)
    images = checked_images(images)
    return images, checked_masks(masks, (len(images), images.shape[2], images.shape[3])), labels


def _logits(adapted: nn.Module, images: Tensor) -> Tensor:
    device = next((parameter.device for parameter in adapted.parameters()), torch.device("cpu"))
    return torch.cat([predict_logits(adapted, part.to(device)) for part in images.split(32)])


def _names(classes: Sequence[str] | None, adapted: nn.Module, images: Tensor) -> list[str]:
    n_outputs = _logits(adapted, images[:1]).shape[1]
    if classes is None:
        return [f"class {number}" for number in range(n_outputs)]
    if len(classes) != n_outputs:
        raise UserError(
            f"classes: found {len(classes)} names ({', '.join(map(str, classes))}), but the network gives {n_outputs} "
            "logits; name each output in order"
        )
    return _distinct(classes)


def _distinct(classes: Sequence[str]) -> list[str]:
    """The names of the outputs, each another."""
    names = [str(name) for name in classes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"classes: found {twice[0]} twice; expected a name of its own for each output")
    return names


def _labels(labels: Any, adapted: nn.Module, images: Tensor, names: list[str]) -> list[str]:  # noqa: ANN401
    if labels is not None:
        return checked_labels(labels, len(images), names)
    print_line("Note: no labels are given, so every prediction is taken as right.")
    return [names[index] for index in _logits(adapted, images).argmax(dim=1).tolist()]


def _architecture(model: nn.Module) -> tuple[object, ...]:
    """What checkpoints of one training recipe share: the class, and names, shapes and types of the weights."""
    shapes = [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in model.state_dict().items()]
    return (type(model), *shapes)


def _copied(config: Config) -> Config:
    return cast(Config, {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()})
