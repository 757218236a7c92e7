"""What can be checked of a run before anything slow happens, the cheapest first.

Nothing heavy is imported here before it is needed: a mistake in the place of the data is reported in a second.
"""

import functools
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xairank.config import require_keys, validate
from xairank.errors import UserError
from xairank.files import expand_user, sha256

Config = Mapping[str, Any]
FREE = 200 * 2**20  # bytes; a checkpoint and the maps of an ordinary run take about half of it


def check_run(config: Config, place: Path) -> None:
    """Checks a run, once for all runs of this process that differ in seed and fold alone.

    Args:
        config: Resolved.
        place: The run folder.

    Raises:
        UserError: The first mistake; missing weights are reported together with missing data.
    """
    require_keys(config)
    validate(config)
    keys = ("data", "model", "attribution", "evaluation", "ranking", "trainer", "logger", "name", "maps")
    relevant = {key: config[key] for key in keys if key in config}
    relevant["data"] = {key: value for key, value in config["data"].items() if key not in ("fold", "split_seed")}
    if "maps" in config:  # the network of each run is another one
        relevant["model"] = {}
    _check_once(json.dumps(relevant), Path.cwd())
    _check_disk(place)


def identify_weights(model: Config) -> str | None:
    """What the encoder starts from: SHA-256 of a file, ``pretrained:<name>``, or None for random weights.

    Raises:
        UserError: There is no such file.
    """
    if not model["encoder_weights"]:
        return f"pretrained:{model['encoder']}" if model["pretrained"] else None
    path = expand_user(model["encoder_weights"])
    if not path.is_file():
        raise UserError(f"model.encoder_weights={path}: no such file; give the path of a .safetensors or .pth file")
    stat = path.stat()
    return _hashed(path.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _hashed(path: Path, size: int, changed: int) -> str:
    """The file's hash, computed once as long as the file stays what it is."""
    return sha256(path)


@functools.cache
def _check_once(text: str, folder: Path) -> None:
    """Checks all but the disk; the folder is what paths are relative to."""
    config = json.loads(text)
    if "maps" in config:
        _check_ranking(config)
        return
    try:
        _check_data(config["data"])
    except UserError as error:
        try:
            _check_encoder(config["model"])
        except UserError as other:
            raise UserError(f"{error}; also {other}") from None
        raise
    from xairank.experiment.suited import suited_methods
    from xairank.experiment.trainer import create_trainer
    from xairank.experiment.trial import SIDE, try_measures, try_methods, try_metrics
    from xairank.experiment.wiring import create_measures, create_methods, create_metrics, create_network, load_encoder
    from xairank.tracking import check_logger

    methods, metrics, measures = create_methods(config), create_metrics(config), create_measures(config)
    _check_encoder(config["model"])
    create_trainer(config, [])
    check_logger(config["logger"], config["name"])
    network = create_network(config, load_encoder(config, pretrained=False), n_classes=2)
    _check_variants(config, metrics)
    suited = suited_methods(methods, network, quiet=True)
    side = network.fixed_size or SIDE
    try_methods(suited, network, metrics, side)
    try_metrics(metrics, network, side)
    try_measures(measures, network, side)


def _check_variants(config: Config, metrics: Mapping[str, object]) -> None:
    """That what decides can be computed of variants of the maps, where some are asked for."""
    from xairank.evaluation import ModelMetric

    name = config["ranking"]["metric"]
    if config.get("maps") and config["attribution"]["randomise"]:
        raise UserError(
            "attribution.randomise=true: needs the network, and maps= ranks maps alone; rank the network itself with "
            "model=..., or leave it out"
        )
    for option in ("ladder", "randomise"):
        if config["attribution"][option] and isinstance(metrics[name], ModelMetric):
            raise UserError(
                f"attribution.{option}=true: ranking.metric={name} asks the network itself, which costs too much for "
                "every variant of a map; choose a metric of maps and masks, such as topk_overlap"
            )


def _check_ranking(config: Config) -> None:
    """What ranking needs whichever network comes: data, methods and metrics."""
    _check_data(config["data"], least_classes=1)
    from xairank.experiment.trial import small_network, try_measures, try_methods, try_metrics
    from xairank.experiment.wiring import create_measures, create_methods, create_metrics

    methods, metrics, measures = create_methods(config), create_metrics(config), create_measures(config)
    _check_variants(config, metrics)
    network = small_network()
    if not config["maps"]:
        try_methods(methods, network, metrics)
        try_measures(measures, network)
    try_metrics(metrics, network)


def _check_data(options: Config, *, least_classes: int = 2) -> None:
    """That the files of the data are there and go together; they are not opened."""
    from xairank.data.faults import Faults
    from xairank.data.index import Source, index_samples

    source = Source.from_options(options)
    if options["synthetic"] is not None:
        from xairank.data.synthetic import SyntheticCategory
        from xairank.data.synthetic.category import is_rendered

        if not is_rendered(source.place, SyntheticCategory(**options["synthetic"])):
            return  # it will be
    elif options["download"] and source.root and not source.place.exists():
        return  # it will be downloaded
    faults = Faults(source.check_command(mask_threshold=options["mask_threshold"]))
    index_samples(source, faults, least_classes=least_classes)
    faults.stop()


def _check_encoder(model: Config) -> None:
    """That the encoder exists, and its weights are here or can be downloaded."""
    from xairank.models.encoder import check_encoder
    from xairank.models.weights import are_reachable, find_weights

    name = model["encoder"]
    check_encoder(name)
    wanted = model["pretrained"] and not model["encoder_weights"]
    if wanted and find_weights(name) is None and not are_reachable(name):
        raise UserError(
            f"model.pretrained=true: the weights of {name} are not on this machine and the network cannot be reached; "
            "connect to it, give a local file with model.encoder_weights=FILE, or train from scratch with "
            "model.pretrained=false"
        )


def _check_disk(place: Path) -> None:
    """That the run folder can be made and has room."""
    there = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise UserError(f"{there}: is a file; expected the folder of results; move it elsewhere, or choose name=...")
    if not os.access(there, os.W_OK):
        raise UserError(f"{there}: cannot be written; results go to {place}; change its permissions or run elsewhere")
    if (free := shutil.disk_usage(there).free) < FREE:
        raise UserError(
            f"{there}: {free / 2**20:.0f} MiB free on this disk; expected at least {FREE / 2**20:.0f} MiB for the "
            "checkpoint and the maps; free some, or run elsewhere"
        )
