"""The headline's picture: the paper's three methods, the same maps blurred, and what knows nothing of the model."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from audit.answers.ladder import EDGES, best_level
from audit.drawing import Panel, draw_panels
from audit.study import (
    CONTROLS,
    DATA,
    FACTS,
    GRADCAM,
    IG,
    METHODS,
    METRIC,
    PAPER,
    REAL,
    SALIENCY,
    Study,
    by_case,
    label,
    of,
    styles,
)
from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples
from xairank.schema import BLUR

LRP, CENTER = "lrp", "center"
BLURRED = (GRADCAM, IG, SALIENCY, LRP, EDGES)
CAPTION = (
    "Mean Top-K Overlap with the defect on test images; line: 95 % interval over seeds and images, dotted: a random "
    "map. Diamonds: at the blur that is best on these images, which may be none. Edges and centre, in grey, know "
    "nothing of the network."
)


def draw_headline(study: Study) -> Figure:
    """A panel a real data set, with the same rows, the best on hazelnuts first."""
    found = {data: dict(_rows(study, data)) for data in study.data(REAL)}
    first = next(iter(found.values()))
    every = list(dict.fromkeys(row for rows in found.values() for row in rows))
    every.sort(key=lambda row: -first[row].mean if row in first else 0.0)
    look = styles((*PAPER, LRP, EDGES, CENTER))
    series = {row: replace(look[method], marker="D" if is_blurred else "o") for row, method, is_blurred in _ROWS}
    panels = [
        Panel(DATA[data], every, {row: {row: value} for row, value in rows.items()}, _chance(study, data))
        for data, rows in found.items()
    ]
    return draw_panels(panels, series, "Top-K Overlap", apart=False)


_ROWS = tuple(
    (f"{label(method)}, blurred" if is_blurred else label(method), method, is_blurred)
    for method, is_blurred in [*((name, False) for name in (*PAPER, LRP, EDGES, CENTER)), *((b, True) for b in BLURRED)]
)


def _rows(study: Study, data: str) -> Iterator[tuple[str, Interval]]:
    plain = study.scores(data, methods=[*METHODS, *CONTROLS])
    ladder = study.variants("ladder", data, "base", BLURRED)
    levels = pd.concat([plain.assign(level=0.0), ladder[ladder["variant"] == BLUR]], ignore_index=True)
    for row, method, is_blurred in _ROWS:
        own = of(levels, method)
        if own.empty:
            continue
        level = best_level(own) if is_blurred else 0.0
        yield row, _interval(own[own["level"] == level])


def _interval(scores: pd.DataFrame) -> Interval:
    (values,) = by_case(scores, METRIC).values()
    return bootstrap_interval(values, draw_resamples(*values.shape), *FACTS.limits)


def _chance(study: Study, data: str) -> float:
    images = study.scores(data, methods=[GRADCAM]).drop_duplicates("sample")
    return float(images[f"{METRIC}_chance"].mean())
