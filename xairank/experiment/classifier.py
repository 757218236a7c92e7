"""The classifier that is explained when nothing is trained: built, cut at its feature map, its classes checked."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from xairank.console import print_line
from xairank.errors import UserError
from xairank.experiment.ranked_config import read_run
from xairank.experiment.trainer import load_checkpoint
from xairank.experiment.wiring import create_network
from xairank.files import expand_user
from xairank.models import MultitaskModule
from xairank.models.adapt import AdaptedModel, adapt
from xairank.models.encoder import create_encoder
from xairank.models.sources import build_network, load_weights, normalization

Config = Mapping[str, Any]
# Another order of the classes is suspected where it would make so many more images right, and most of them.
_FEWEST, _GAIN, _MOST = 8, 0.3, 0.7


@dataclass(frozen=True)
class Classifier:
    """A network that can be explained.

    Attributes:
        network: In the protocol of attribution, in evaluation mode, on its device.
        classes: Names of its outputs, in order.
        predict_masks: Images (B, 3, H, W) -> predicted masks (B, H, W) in [0, 1]; None where it has no decoder.
    """

    network: nn.Module
    classes: list[str]
    predict_masks: Callable[[Tensor], Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next((parameter.device for parameter in self.network.parameters()), torch.device("cpu"))

    def content(self) -> str:
        """SHA-256 (hexadecimal) of its parameters and buffers."""
        return hash_state(self.network)


def hash_state(network: nn.Module) -> str:
    """SHA-256 (hexadecimal) of the parameters and buffers of a network, with their names."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def weights_type(network: nn.Module) -> torch.dtype:
    """The type in which a network computes: that of its weights."""
    floating = (one.dtype for one in network.parameters() if one.is_floating_point())
    return next(floating, torch.float32)


def load_classifier(config: Config, labels: Iterable[str], device: torch.device) -> Classifier:
    """The network that ``model`` names, on its device.

    Args:
        config: Of ``python -m xairank.rank``, resolved.
        labels: The classes of the data, which the network's must hold.
        device: Where it is explained.

    Raises:
        UserError: It cannot be built, cannot be cut, or has other classes.
    """
    options, labels = config["model"], sorted(set(labels))
    if options["source"] == "run":
        classifier = _trained(expand_user(options["path"]), device)
        check_labels(classifier.classes, labels, f"model.path={options['path']}")
        return classifier
    classes = options["classes"] or labels
    check_labels(classes, labels, "model.classes")
    network = build_network(options, len(classes))
    if options["weights"]:
        unused = load_weights(network, options, expand_user(options["weights"]))
        if unused:
            print_line(f"Note: of model.weights, {len(unused)} tensors are not the network's, such as {unused[0]}.")
    if (kind := weights_type(network)) != torch.float32:
        raise UserError(
            f"model.{'factory' if options['factory'] else 'name'}: gives weights of {kind}, images are float32; let it "
            "return model.float()"
        )
    mean, std = normalization(network, options)
    size = config["data"]["image_size"]
    try:
        adapted = adapt_in_words(network.to(device).eval(), options["layer"], size, mean=mean, std=std)
    except UserError as error:
        raise _in_keys(error) from None
    if options["classes"] is None:
        print_line(f"Note: the outputs are taken as {', '.join(classes)}, A to Z; model.classes=[...] says otherwise.")
    return Classifier(adapted, list(classes))


def adapt_in_words(
    network: nn.Module,
    layer: str | None,
    image_size: int | tuple[int, int],
    *,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> AdaptedModel:
    """The network cut at its feature map, which is named; the arguments are those of :func:`xairank.adapt`."""
    adapted = adapt(network, layer=layer, image_size=image_size, mean=mean, std=std)
    if len(adapted.feature_shape) == 3:
        channels, height, width = adapted.feature_shape
        print_line(f"Feature map: {adapted.layer}, {channels} channels of {height} x {width}.")
    return adapted


def check_labels(classes: Sequence[str], labels: Sequence[str], where: str) -> None:
    """Checks that the network knows every class of the data.

    Raises:
        UserError: It does not.
    """
    unknown = [label for label in labels if label not in classes]
    if unknown:
        raise UserError(
            f"{where}: the network's classes are {', '.join(classes)}, the data also has {', '.join(unknown)}; name "
            "the classes in the order of the outputs, as the data calls them"
        )


def check_outputs(classes: Sequence[str], n_outputs: int, key: str) -> None:
    """Checks that each output has a name, given by ``key``.

    Raises:
        UserError: There are more or fewer, or one alone, which is always the predicted one.
    """
    if n_outputs == 1:
        raise UserError(
            "the network gives one logit, with which every image is of the same class; expected a logit for each "
            "class; wrap the network so that it gives [-logit, logit]"
        )
    if n_outputs != len(classes):
        raise UserError(
            f"{key}: {len(classes)} names ({', '.join(classes)}), but the network gives {n_outputs} logits; name each "
            f"output in order, {key}=[...]"
        )


def check_order(classes: Sequence[str], labels: Sequence[str], predicted: Sequence[str], key: str) -> None:
    """Suspects names in another order than the outputs: another one would make most images right.

    At least two classes with images must change places, and most images of each of them fit the new one: a network that
    takes defects for good parts errs, its names do not.

    Args:
        classes: Names of the outputs.
        labels: The true class of each image.
        predicted: The predicted one.
        key: What names the classes, for the message.

    Raises:
        UserError: The order is very likely wrong; names the one that fits.
    """
    places = {name: number for number, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)))  # outputs by true classes
    np.add.at(confusion, ([places[name] for name in predicted], [places[name] for name in labels]), 1)
    # Classes without an image stay where they are.
    _, fitting = linear_sum_assignment(confusion.T + 1e-6 * np.eye(len(classes)), maximize=True)
    counts, found = confusion.sum(axis=0), confusion[fitting, np.arange(len(classes))]
    moved = (fitting != np.arange(len(classes))) & (counts > 0)
    right, best, total = np.trace(confusion), found.sum(), len(labels)
    clear = total >= _FEWEST and (best - right) / total > _GAIN and best / total > _MOST
    if clear and moved.sum() > 1 and (found[moved] > counts[moved] / 2).all():
        order = ",".join(classes[name] for name in np.argsort(fitting))
        raise UserError(
            f"{key}: in this order {right:.0f} of {total} images are classified correctly, as [{order}] {best:.0f} "
            "would be; give the names in the order of the outputs"
        )


def _in_keys(error: UserError) -> UserError:
    """The message of :func:`xairank.adapt` with the keys of the configuration for its arguments."""
    text = str(error)
    for argument, key in {"layer=": "model.layer=", "image_size: ": "data.image_size: "}.items():
        if text.startswith(argument):
            text = key + text.removeprefix(argument)
    return UserError(text.replace("give image_size=N", "give data.image_size=N"))


def _trained(path: Path, device: torch.device) -> Classifier:
    folder = read_run(path)
    config, classes = folder.config, folder.record["classes"]
    options = config["model"]
    size = config["data"]["image_size"]
    encoder = create_encoder(options["encoder"], pretrained=False, weights=None, image_size=size)
    network = create_network(config, encoder, len(classes))
    module = MultitaskModule(
        network,
        len(classes),
        beta=options["beta"],
        mask_loss=options["mask_loss"],
        class_weights=None,
        lr=options["lr"],
        seed=config["seed"],
    )
    module.load_state_dict(load_checkpoint(folder.checkpoint)["state_dict"])
    module.to(device).eval()
    return Classifier(module.model, classes, module.predict_masks)
