"""Table 1 of the paper: what the runs were configured with."""

from collections.abc import Sequence

import pandas as pd

from xairank.runs.group import Group
from xairank.tables.groups import in_blocks
from xairank.tables.published import (
    HYPERPARAMETERS,
    PROTOCOL,
    as_text,
    leaves_of,
    on_published_data,
    published_methods,
)
from xairank.tables.table import MISSING, Table

_COLUMNS = {"hyperparameter": "Hyperparameter", "key": "Key", "value": "Value"}
_COMPARED = {"published": "Published", "difference": "Difference"}


def hyperparameters(groups: Sequence[Group]) -> Table:
    """Table 1, from the configurations that really ran, and what else of the protocol decides a result."""
    compared = {group.name for group in groups if on_published_data(group.config)}
    columns = {**_COLUMNS, **(_COMPARED if compared else {})}
    rows = [row for group in groups for row in _rows(group, compared=group.name in compared)]
    data = pd.DataFrame(rows, columns=["group", *_COLUMNS, *_COMPARED])[["group", *columns]]
    shown = data[list(columns)].fillna("")
    blocks = [(group.name, shown[data["group"] == group.name].to_numpy().tolist()) for group in groups]
    notes = ["The first six are Table 1 of the paper; the others are those of the code released with it."]
    notes = [] if not compared else notes
    trained = any(not group.ranked_only for group in groups)
    title = "Hyperparameters of the runs (Table 1 of the paper)" if trained else "What was ranked"
    return Table("hyperparameters", title, data, list(columns.values()), in_blocks(blocks), notes, n_text=len(columns))


def _rows(group: Group, *, compared: bool) -> list[list[str | None]]:
    if group.ranked_only:
        return _ranked_rows(group)
    conditions = {condition.key: (condition.label, condition.published) for condition in PROTOCOL}
    leaves = [leaves_of(config) for config in group.runs["config"]]
    rows = []
    for key, (label, published) in {**HYPERPARAMETERS, **conditions}.items():
        found = list(dict.fromkeys(as_text(some[key]) for some in leaves if key in some))
        rows.append((label, key, ", ".join(found) or MISSING, as_text(published)))
    methods = ", ".join(group.methods)
    rows.append(("Methods", "attribution.methods", methods, ", ".join(published_methods())))
    rows.append(("Seeds", "seed", group.seeds, "10 seeds (42 to 51)"))
    return [
        [group.name, *row[:3], *((row[3], _difference(row[2], row[3])) if compared else (None, None))] for row in rows
    ]


# Of a ranking of what existed: no training, so none of the paper's hyperparameters.
_RANKED = {
    "Network": "model.source",
    "Architecture": "model.name",
    "Function that builds it": "model.factory",
    "Weights": "model.weights",
    "Run": "model.path",
    "Maps": "maps",
    "Negative values of maps": "maps_sign",
    "Layer of the feature map": "model.layer",
    "Image size": "data.image_size",
    "Crop": "data.crop",
}


def _ranked_rows(group: Group) -> list[list[str | None]]:
    leaves = [leaves_of(config) for config in group.runs["config"]]
    rows = []
    for label, key in _RANKED.items():
        found = list(dict.fromkeys(as_text(some[key]) for some in leaves if some.get(key) is not None))
        rows += [(label, key, ", ".join(found))] if found else []
    rows.append(("Methods", "attribution.methods", ", ".join(group.methods)))
    rows.append(("Networks", "", group.seeds))
    return [[group.name, *row, None, None] for row in rows]


def _difference(value: str, published: str) -> str:
    if value == published:
        return "none"
    try:
        return f"{float(value) - float(published):+g}"
    except ValueError:
        return "other"
