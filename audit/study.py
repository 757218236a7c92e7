"""What the questions start from: the gathered results, by data set and switch, and the words for both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.collect import KEYS
from xairank.figures.marks import control_styles
from xairank.figures.style import MethodStyle, method_styles
from xairank.names import count, in_words
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.margins import Margin
from xairank.schema import NO_EVIDENCE, OWN_EVIDENCE, TEST, MethodFacts, MetricFacts

METRIC = "topk_overlap"
GRADCAM, SALIENCY, IG = PAPER = ("gradcam", "saliency", "integrated_gradients")

TITLES = {
    "hazelnut": "Hazelnut",
    "transistor": "Transistor",
    "tiles": "Tiles",
    "rendered35": "Rendered, 35",
    "rendered": "Rendered, 70",
}
DATA = {
    "hazelnut": "Hazelnut",
    "transistor": "Transistor",
    "tiles": "Magnetic tiles",
    "rendered35": "Rendered, 35 defects",
    "rendered": "Rendered, 70 defects",
}
IN_A_SENTENCE = {
    "hazelnut": "hazelnuts",
    "transistor": "transistors",
    "tiles": "magnetic tiles",
    "rendered35": "35 rendered defects",
    "rendered": "70 rendered defects",
}
REAL = ("hazelnut", "transistor", "tiles")

METHODS = {
    "gradcam": MethodFacts("Grad-CAM", "#0072B2"),
    "saliency": MethodFacts("Saliency", "#E69F00"),
    "integrated_gradients": MethodFacts("Integrated gradients", "#009E73"),
    "ig_mean_color": MethodFacts("Integrated gradients, mean colour"),
    "ig_blurred": MethodFacts("Integrated gradients, blurred baseline"),
    "ig_200_steps": MethodFacts("Integrated gradients, 200 steps"),
    "smoothgrad": MethodFacts("SmoothGrad"),
    "input_x_gradient": MethodFacts("Input x gradient"),
    "guided_backprop": MethodFacts("Guided backpropagation"),
    "lrp": MethodFacts("LRP", "#CC79A7"),
    "gradcam_plus_plus": MethodFacts("Grad-CAM++"),
    "layer_cam": MethodFacts("LayerCAM"),
}
CONTROLS = {
    "random": MethodFacts("Random", control=NO_EVIDENCE),
    "center": MethodFacts("Centre", control=NO_EVIDENCE),
    "edges": MethodFacts("Edges", control=NO_EVIDENCE),
    "constant": MethodFacts("Constant", control=NO_EVIDENCE),
    "own_mask": MethodFacts("Model's own mask", control=OWN_EVIDENCE),
}
METRICS = {
    "topk_overlap": MetricFacts("Top-K Overlap"),
    "pointing_game": MetricFacts("Pointing Game"),
    "mass_accuracy": MetricFacts("Mass Accuracy"),
    "average_precision": MetricFacts("Average Precision"),
    "roc_auc": MetricFacts("ROC-AUC"),
    "best_threshold_iou": MetricFacts("Best-Threshold IoU"),
    "component_overlap": MetricFacts("Component Overlap"),
    "mass_distance": MetricFacts("Mass Distance", higher_is_better=False, high=None),
}
FACTS = METRICS[METRIC]
FEWEST_SEEDS = 3  # over which intervals and tests can say something of other seeds


def real_or_all(names: Iterable[str]) -> list[str]:
    """The data sets that are real; all of them where none is, as in a small grid."""
    every = list(names)
    return [name for name in every if name in REAL] or every


def label(method: str) -> str:
    """What a method or a control is called."""
    return {**METHODS, **CONTROLS}[method].label


def said(method: str) -> str:
    """What a method or a control is called inside a sentence.

    Example:
        >>> said("gradcam"), said("saliency"), said("own_mask")
        ('Grad-CAM', 'saliency', "model's own mask")
    """
    text = label(method)
    return text if any(letter.isupper() for letter in text[1:]) else text[0].lower() + text[1:]


def over(names: Iterable[str], nothing: str = "none of the data") -> str:
    """Data sets inside a sentence."""
    return in_words([IN_A_SENTENCE[name] for name in names]) or nothing


def styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """How methods and controls are drawn, the same in every figure."""
    controls = {name: replace(style, color="0.35", marker="|") for name, style in control_styles(CONTROLS).items()}
    controls["own_mask"] = replace(controls["own_mask"], color="0.6", line=(0, (1, 1)))
    every = {**method_styles(METHODS), **controls}
    return {method: every[method] for method in methods}


@dataclass(frozen=True)
class Study:
    """The tables of :func:`audit.collect.read_results`."""

    tables: Mapping[str, pd.DataFrame]

    @cached_property
    def _scores(self) -> pd.DataFrame:
        """Scores with what all methods of an image share, in double precision."""
        images = self.tables["images"]
        scores = self.tables["scores"].merge(images, on=KEYS, validate="many_to_one")
        return _double(scores)

    @cached_property
    def cells(self) -> set[tuple[str, str]]:
        """Data set and switch of the cells that have a run."""
        runs = self.tables["runs"]
        return set(zip(runs["data"], runs["switch"], strict=True))

    def data(self, among: Sequence[str] = tuple(DATA), switch: str = "base") -> list[str]:
        """The data sets that have ranked images under a switch, in order."""
        return [name for name in among if (name, switch) in self.cells and len(self.scores(name, switch))]

    def scores(
        self, data: str, switch: str = "base", methods: Sequence[str] = PAPER, split: str = TEST
    ) -> pd.DataFrame:
        """The scores of images of a split; each test image is tested by one fold."""
        rows = self._scores
        chosen = (rows["data"] == data) & (rows["switch"] == switch) & (rows["split"] == split)
        return _of_methods(rows[chosen], methods)

    def variants(self, kind: str, data: str, switch: str, methods: Sequence[str]) -> pd.DataFrame:
        """Scores of changed maps of test images; ``kind`` is ``ladder`` or ``randomised``."""
        rows = self.tables.get(kind)
        if rows is None:
            return pd.DataFrame()
        rows = rows[(rows["data"] == data) & (rows["switch"] == switch)]
        images = self.tables["images"]
        return _of_methods(_double(rows.merge(images[images["split"] == TEST], on=KEYS)), methods)

    def runs(self, data: str, switch: str = "base") -> pd.DataFrame:
        """A row a run."""
        runs = self.tables["runs"]
        return runs[(runs["data"] == data) & (runs["switch"] == switch)]

    def excluded(self, data: str, switch: str = "base") -> pd.DataFrame:
        """The test images that were not ranked."""
        rows = self.tables["excluded"]
        return rows[(rows["data"] == data) & (rows["switch"] == switch) & (rows["split"] == TEST)]

    def basis(self, scores: pd.DataFrame) -> str:
        """What a figure rests on: "35 images, 5 seeds"."""
        n_images, n_cases = scores["sample"].nunique(), scores["case"].nunique()
        cases = f" ({count(n_cases, 'case')})" if n_cases < n_images else ""
        return f"{count(n_images, 'image')}{cases}, {count(scores['seed'].nunique(), 'seed')}"


def by_case(scores: pd.DataFrame, column: str) -> dict[str, NDArray[np.float64]]:
    """Each method's values (seeds, cases); of one or two seeds their mean, (1, cases).

    Two seeds say next to nothing of others, so that an interval over them would be as wide as the scale. Then it is one
    over cases alone, for these networks.
    """
    found = case_matrices(scores, column)
    few = scores["seed"].nunique() < FEWEST_SEEDS
    return {method: _over_seeds(values) if few else values for method, values in found.items()}


def _over_seeds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    sums = np.where(known, values, 0).sum(axis=0)
    return np.divide(sums, known.sum(axis=0), out=np.full(len(sums), np.nan), where=known.any(axis=0))[None]


def paired(first: pd.DataFrame, second: pd.DataFrame, column: str = METRIC) -> Margin:
    """The differences between two columns of scores, of the seeds and images that have both.

    Args:
        first: Rows with ``seed``, ``case``, ``sample`` and the column, one an image and seed.
        second: What is taken away from it.
        column: What is compared.
    """
    keys = ["seed", "case", "sample"]
    both = first[[*keys, column]].merge(second[[*keys, column]], on=keys, suffixes=("", "_other"))
    difference = both.assign(method="", value=both[column] - both[f"{column}_other"])
    if difference.empty:
        return Margin(np.full((1, 0), np.nan), np.zeros(0))
    return Margin(by_case(difference, "value")[""], case_means(difference, "value")[""].to_numpy())


def of(scores: pd.DataFrame, method: str) -> pd.DataFrame:
    """The rows of one method."""
    return scores[scores["method"] == method]


def means(scores: pd.DataFrame, column: str = METRIC) -> pd.Series:
    """Mean over cases of each method, the largest first."""
    found = {
        method: float(case_means(rows, column).mean().iloc[0]) for method, rows in scores.groupby("method", sort=False)
    }
    return pd.Series(found).sort_values(ascending=False, kind="stable")


def best_other(scores: pd.DataFrame, method: str = GRADCAM) -> str:
    """The best of the other methods, by its mean on these images; choosing it here favours it."""
    return str(means(scores).drop(method).index[0])


def _of_methods(rows: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of these methods in their order, in which the first wins ties where ties are not shared."""
    place = {method: number for number, method in enumerate(methods)}
    own = rows[rows["method"].isin(place)]
    return own.iloc[own["method"].map(place).argsort(kind="stable")].reset_index(drop=True)


def _double(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(table.select_dtypes("float32"), "float64"))


def with_label(styled: Mapping[str, MethodStyle], method: str, text: str) -> MethodStyle:
    """A method's style under another name."""
    return replace(styled[method], label=text)
