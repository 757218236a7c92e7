"""Cuts the cases by a property of the defect: its size, thinness, components, the confidence in it, its class."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xairank.ranking.wins import DECIMALS
from xairank.schema import COMPONENTS, THINNESS

SIZE, CONFIDENCE, CLASS = "size", "confidence", "class"


@dataclass(frozen=True)
class Property:
    """A property of defects, and the words for it.

    Attributes:
        label: Its name where people read it, with its unit.
        parts: What its parts are called, from the smallest values to the largest; empty of classes.
        phrase: Where something holds for a part, as a sentence has it.
        number: How a value is shown.
    """

    label: str
    parts: tuple[str, ...]
    phrase: str
    number: str = "{:.2f}"


PROPERTIES: Mapping[str, Property] = {
    SIZE: Property("Size, % of the image", ("small", "medium", "large"), "on {} defects"),
    THINNESS: Property("Thinness", ("compact", "medium", "thin"), "on {} defects"),
    COMPONENTS: Property("Components", ("one piece", "several pieces"), "on defects in {}", "{:.3g}"),
    CONFIDENCE: Property("Confidence", ("low", "medium", "high"), "at {} confidence", "{:.3f}"),
    CLASS: Property("Class", (), "on {}"),
}


@dataclass(frozen=True)
class Part:
    """Some of the cases.

    Attributes:
        kind: Which of :data:`PROPERTIES` cuts them.
        name: What the part is called: a word, or a class.
        low: The smallest value of the property in it; NaN of classes.
        high: The largest value.
        cases: Their names.
    """

    kind: str
    name: str
    low: float
    high: float
    cases: frozenset[str]

    @property
    def range(self) -> str:
        """From the smallest to the largest value, "0.21 to 0.35"; empty of classes."""
        if np.isnan(self.low):
            return ""
        low, high = (PROPERTIES[self.kind].number.format(value) for value in (self.low, self.high))
        return low if low == high else f"{low} to {high}"

    @property
    def where(self) -> str:
        """As a sentence has it: "on small defects"."""
        return PROPERTIES[self.kind].phrase.format(self.name)


def case_properties(scores: pd.DataFrame) -> pd.DataFrame:
    """The properties of each case, a row each: means over its images and the seeds that ranked it; and its class.

    Properties that are not known of every case have no column.

    Args:
        scores: Rows of ``scores.parquet`` of one group and split.
    """
    images = scores.drop_duplicates(["seed", "fold", "sample"]).assign(confidence=lambda rows: rows["probability"])
    images[SIZE] = 100 * images["k"] / images["n_pixels"]
    numbers = [name for name in PROPERTIES if name in images and name != CLASS]
    by_image = images.groupby(["case", "sample"])[numbers].mean()
    found = by_image.groupby("case").mean().dropna(axis="columns").round(DECIMALS)
    return found.assign(**{CLASS: images.sort_values("sample").groupby("case")["label"].first()})


def cut_cases(scores: pd.DataFrame) -> Iterator[Part]:
    """The parts of each property, in the order of :data:`PROPERTIES`; none of one that is the same for all cases.

    Numbers are cut into thirds of the cases by their mid-ranks, so that equal values stay together, and components into
    one and several; classes are each a part.
    """
    cases = case_properties(scores)
    for name in [name for name in PROPERTIES if name in cases]:
        values = cases[name]
        if name == CLASS:
            places, words = values, dict(zip(sorted(values.unique()), sorted(values.unique()), strict=True))
        else:
            words = dict(enumerate(PROPERTIES[name].parts))
            places = (values > 1).astype(int) if name == COMPONENTS else _thirds(values)
        found = [place for place in words if (places == place).any()]
        if len(found) < 2:
            continue
        if len(found) < len(words):  # ties leave two of three: the smaller values and the larger
            words = {found[0]: words[min(words)], found[1]: words[max(words)]}
        for place in found:
            own = values[places == place]
            limits = (np.nan, np.nan) if name == CLASS else (float(own.min()), float(own.max()))
            yield Part(name, str(words[place]), *limits, frozenset(own.index))


def _thirds(values: pd.Series) -> pd.Series:
    """0, 1 or 2 for each value."""
    return (3 * (values.rank() - 0.5) / len(values)).astype(int)
