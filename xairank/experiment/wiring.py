"""Makes the parts of a run from its configuration: data, model, methods, metrics."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from torch import nn

from xairank.attribution import AttributionMethod
from xairank.attribution.controls import Control
from xairank.console import ConsoleMonitor, print_line, tracker
from xairank.data.datamodule import DefectDataModule
from xairank.data.download import download_category
from xairank.data.index import PLACES, Source
from xairank.data.synthetic import SyntheticCategory, render_category
from xairank.errors import UserError
from xairank.evaluation import FunctionMetric, ImageMeasure, Metric
from xairank.files import expand_user, sha256
from xairank.models import EncoderDecoder, MultitaskModule
from xairank.models.encoder import create_encoder
from xairank.models.weights import find_weights
from xairank.names import in_words

Config = Mapping[str, Any]


def create_methods(config: Config) -> dict[str, AttributionMethod]:
    """The attribution methods by name, from ``attribution.methods``, and behind them the ``attribution.controls``.

    Raises:
        UserError: An entry cannot be made, or a control has the name of a method.
    """
    return with_controls(_create_entries("attribution.methods", config["attribution"]["methods"]), config)


def with_controls(methods: Mapping[str, AttributionMethod], config: Config) -> dict[str, AttributionMethod]:
    """The methods, and behind them the ``attribution.controls``.

    Raises:
        UserError: An entry cannot be made, or a control has the name of a method.
    """
    controls = _create_entries("attribution.controls", config["attribution"]["controls"])
    for name, control in controls.items():
        if name in methods:
            raise UserError(f"attribution.controls.{name}: is the name of a method too; rename one of them")
        if not getattr(control, "control", ""):
            raise UserError(
                f"attribution.controls.{name}: {type(control).__name__} is a method, not a control; move the entry to "
                "attribution.methods"
            )
    return {**methods, **controls}


def create_image_controls(config: Config, names: Iterable[str]) -> dict[str, Control]:
    """The controls that need no model, by name: what maps from elsewhere, called ``names``, are compared with.

    Raises:
        UserError: An entry cannot be made, or a control has the name of a method.
    """
    controls = {name: one for name, one in create_methods(config).items() if isinstance(one, Control)}
    for name in names:
        if name in controls:
            raise UserError(
                f"maps: {name} is the name of a control too; give the method another name, or leave the control out "
                f"with ~attribution.controls.{name}"
            )
    return controls


def create_metrics(config: Config) -> dict[str, Metric]:
    """The metrics by name, from ``evaluation.metrics``; a plain function, given by ``_partial_: true``, is one too.

    Where maps keep their negative values, metrics that are not defined for these are left out.
    """
    created = _create_entries("evaluation.metrics", config["evaluation"]["metrics"])
    metrics = {name: some if isinstance(some, Metric) else FunctionMetric(some) for name, some in created.items()}
    return _signed_metrics(metrics, config["ranking"]["metric"]) if config.get("maps_sign") == "as_is" else metrics


def _signed_metrics(metrics: Mapping[str, Metric], deciding: str) -> dict[str, Metric]:
    """The metrics that are defined for maps with negative values; a line tells of the others."""
    left_out = [name for name, metric in metrics.items() if metric.non_negative]
    if deciding in left_out:
        raise UserError(
            f"ranking.metric={deciding} is not allowed with maps_sign=as_is: it is not defined for negative values; "
            "choose maps_sign=abs or positive, or another metric"
        )
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        print_line(f"Note: {in_words(left_out)} {verb} left out: not defined for negative values, maps_sign=as_is.")
    return {name: metric for name, metric in metrics.items() if name not in left_out}


def create_measures(config: Config) -> dict[str, ImageMeasure]:
    """The measures of images by name, from ``evaluation.measures``.

    Raises:
        UserError: An entry cannot be made, or is something else.
    """
    created = _create_entries("evaluation.measures", config["evaluation"]["measures"])
    for name, some in created.items():
        if not isinstance(some, ImageMeasure):
            raise UserError(
                f"evaluation.measures.{name}: {type(some).__name__} is not a measure of images; move a metric to "
                "evaluation.metrics"
            )
    return created


def _create_entries(group: str, entries: Config) -> dict[str, Any]:
    created = {}
    for name, entry in entries.items():
        key = f"{group}.{name}"
        try:
            created[name] = instantiate(entry)
        except InstantiationException as error:
            raise UserError(f"{key}: {_unknown_option(entry) or cause_of(error)}; fix the entry or remove it") from None
        if not callable(created[name]):
            raise UserError(
                f"{key}: {entry['_target_']} cannot be called; expected a class with a __call__; fix _target_"
            )
    return created


def _unknown_option(entry: Config) -> str:
    """Which option of an entry its class lacks, and which it has; empty where that is not what is wrong."""
    try:
        kind = get_object(entry["_target_"])
        names = _options(kind)
    except Exception:  # whatever importing the user's code raises, or a class whose options cannot be told
        return ""
    unknown = [name for name in entry if not name.startswith("_") and name not in names]
    if not unknown:
        return ""
    return f"{kind.__name__} has no option {unknown[0]}; it has {', '.join(names) or 'none'}"


def _options(kind: type) -> list[str]:
    """The names that a class's constructor takes, and those of the class above where it hands options on."""
    found: list[str] = []
    for one in kind.__mro__:
        if "__init__" not in vars(one) or one is object:
            continue
        parameters = list(inspect.signature(vars(one)["__init__"]).parameters.values())[1:]
        found += [some.name for some in parameters if some.kind is not some.VAR_KEYWORD and some.name not in found]
        if not any(some.kind is some.VAR_KEYWORD for some in parameters):
            break
    return found


def cause_of(error: InstantiationException) -> str:
    """Why Hydra could not make an object, in one line."""
    return " ".join(str(error.__cause__ or error).split()).partition(" Are you sure")[0]


def create_data(config: Config) -> DefectDataModule:
    """The data module, set up, with what a person should know of the data printed.

    A synthetic category is rendered first where it is not there yet; one of MVTec AD is downloaded if that is wanted.
    """
    options = dict(config["data"])
    synthetic = options.pop("synthetic")
    source = Source.from_options(options)
    if synthetic is not None:
        render_category(source.place, SyntheticCategory(**synthetic), track=tracker("Rendering images"))
    elif options["download"] and source.root and not source.place.exists():
        download_category(source.root, source.category, ConsoleMonitor())
    knobs = {key: value for key, value in options.items() if key not in ("category", "download", *PLACES)}
    data = DefectDataModule(source=source, seed=config["seed"], track=tracker("Decoding images"), **knobs)
    data.setup()
    for notice in data.notices:
        print_line(f"Note: {notice}")
    return data


def load_encoder(config: Config, *, pretrained: bool = True) -> nn.Module:
    """The encoder with its weights.

    Args:
        config: Of the run.
        pretrained: False leaves out the weights that ``model.pretrained`` asks for.
    """
    options = config["model"]
    weights = options["encoder_weights"] and expand_user(options["encoder_weights"])
    return create_encoder(
        options["encoder"],
        pretrained=pretrained and options["pretrained"],
        weights=weights,
        image_size=config["data"]["image_size"],
        monitor=ConsoleMonitor(),
    )


def weights_content(config: Config) -> str | None:
    """SHA-256 of the file that holds the encoder's weights; None where there is none."""
    options = config["model"]
    if options["encoder_weights"]:
        return sha256(expand_user(options["encoder_weights"]))
    file = find_weights(options["encoder"]) if options["pretrained"] else None
    return sha256(file) if file else None


def create_network(config: Config, encoder: nn.Module, n_classes: int) -> EncoderDecoder:
    """The network around an encoder."""
    options, size = config["model"], config["data"]["image_size"]
    return EncoderDecoder(encoder, n_classes, options["decoder_channels"], size, normalize=options["normalize"])


def create_module(config: Config, encoder: nn.Module, data: DefectDataModule) -> MultitaskModule:
    """The model for the classes of the data, ready to train."""
    options = config["model"]
    counts = data.class_counts()
    balanced = counts.sum() / (len(counts) * counts)
    return MultitaskModule(
        create_network(config, encoder, len(data.classes)),
        len(data.classes),
        beta=options["beta"],
        mask_loss=options["mask_loss"],
        class_weights=balanced if options["class_weights"] == "balanced" else None,
        lr=options["lr"],
        seed=config["seed"],
    )
