"""The configuration of a ranking that a script asks for: that of the command, with what the script gives instead."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from xairank.config import CONFIGURATION, composition_message, validate
from xairank.errors import UserError

Config = dict[str, Any]
T = TypeVar("T")
_PLAIN = (bool, int, float, str, type(None))


def composed(*overrides: str) -> Config:
    """The configuration of ``python -m xairank.rank`` with overrides, as plain types.

    Raises:
        UserError: There is no such option.
    """
    with _hydra_alone(), initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        try:
            found = OmegaConf.to_container(compose("rank", list(overrides)), resolve=True)
        except Exception as error:  # Hydra's and OmegaConf's
            raise UserError(composition_message(error, "rank")) from None
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


@contextmanager
def _hydra_alone() -> Iterator[None]:
    """Sets aside the Hydra of a program that calls us from its own job."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer  # Hydra has made another instance meanwhile


def entries_of(objects: Mapping[str, T]) -> dict[str, dict[str, Any]]:
    """What a configuration says of methods or metrics that are objects: their class and plain options."""
    entries = {}
    for name, one in objects.items():
        kind = one if isinstance(one, type) or not hasattr(one, "__dict__") else type(one)
        target = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', repr(kind))}"
        options = {key: value for key, value in getattr(one, "__dict__", {}).items() if isinstance(value, _PLAIN)}
        entries[name] = {"_target_": target, **options}
    return entries


def data_overrides(data: str | Path | Mapping[str, Any]) -> list[str]:
    """The overrides for data that a script names: a table, a folder in MVTec layout, or keys of ``data``.

    Raises:
        UserError: There is nothing at the place.
    """
    if isinstance(data, Mapping):
        given = {str(key): value for key, value in data.items()}
    else:
        path = Path(data)
        if path.suffix.lower() in (".csv", ".parquet"):
            given = {"table": path, "category": path.stem}
        elif path.is_dir():
            given = {"root": path.parent, "category": path.name}
        else:
            raise UserError(
                f"data={path}: no such table or folder; expected a .csv or .parquet table, the folder of a category in "
                "MVTec layout, or a mapping such as {'images': FOLDER, 'masks': FOLDER}"
            )
    own = "root" not in given and ("table" in given or "images" in given)
    if own and "category" not in given:
        given["category"] = Path(given.get("table") or given["images"]).stem
    return [*(["data=folder"] if own else []), *(f"data.{key}={_quoted(value)}" for key, value in given.items())]


def checked(config: Config) -> Config:
    """The configuration, if it is valid."""
    validate(config)
    return config


def _quoted(value: object) -> str:
    """A value as Hydra's grammar takes it, whatever characters a path holds."""
    if isinstance(value, str | Path):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
