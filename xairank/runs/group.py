"""The runs of a sweep that belong together, with what their records say of methods and metrics."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from xairank.names import count, images_in_words, in_words
from xairank.runs.grouping import is_ranked_only
from xairank.runs.reading import read_variants
from xairank.runs.relied_on import counts_only_relied_on, leave_out_ignored
from xairank.runs.relied_on import in_words as relied_on_in_words
from xairank.schema import BLUR, NO_EVIDENCE, SPLITS, MethodFacts, MetricFacts, method_facts, metric_facts

_SOFTWARE = ("xairank", "torch")  # whose versions can change a result


@dataclass(frozen=True)
class Group:
    """The runs that differ only in seed and fold.

    Attributes:
        name: What distinguishes it from the sweep's other groups, such as "model.beta=0"; empty where it is alone.
        scores: Rows of ``scores.parquet``, of methods.
        control_scores: Rows of ``scores.parquet``, of controls.
        metrics: Rows of ``metrics.csv``, with ``seed`` and ``fold``.
        excluded: Rows of ``excluded.csv``.
        runs: A row a run, as in :class:`xairank.runs.sweep.Sweep`.
    """

    name: str
    scores: pd.DataFrame
    control_scores: pd.DataFrame
    metrics: pd.DataFrame
    excluded: pd.DataFrame
    runs: pd.DataFrame

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the first run; the others differ in seed, fold, places and speed."""
        return self.runs["config"].iloc[0]

    @cached_property
    def methods(self) -> dict[str, MethodFacts]:
        """The methods, in the order of the configuration, which decides ties where the first method wins."""
        return {name: facts for name, facts in self._described.items() if not facts.control}

    @cached_property
    def controls(self) -> dict[str, MethodFacts]:
        """The controls, which are scored and never win."""
        return {name: facts for name, facts in self._described.items() if facts.control}

    @cached_property
    def _described(self) -> dict[str, MethodFacts]:
        return method_facts(self.runs["info"].iloc[0])

    @property
    def labels(self) -> dict[str, str]:
        """What each method is called, in their order."""
        return {name: facts.label for name, facts in self.methods.items()}

    @property
    def control_labels(self) -> dict[str, str]:
        """What each control is called, in their order."""
        return {name: facts.label for name, facts in self.controls.items()}

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.config["ranking"]["metric"]

    @cached_property
    def metric_facts(self) -> MetricFacts:
        """What is known of the metric that decides."""
        return self.all_metric_facts[self.metric]

    @cached_property
    def all_metric_facts(self) -> dict[str, MetricFacts]:
        """What is known of every metric, by name in order."""
        return metric_facts(self.runs["info"].iloc[0])

    @property
    def ties(self) -> Any:  # noqa: ANN401  # ranking.wins.Ties, which this room does not import
        """How ties share a win: ``shared`` or ``first``."""
        return self.config["ranking"]["ties"]

    @property
    def suffix(self) -> str:
        """The name as the end of a file name; empty where the group is alone."""
        return re.sub(r"[^\w.=+-]+", "-", f"_{self.name}") if self.name else ""

    @property
    def splits(self) -> list[str]:
        """The splits with ranked images, in order."""
        found = set(self.scores["split"])
        return [split for split in SPLITS if split in found]

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Rows of ``variants.parquet``: maps that were blurred, made at other layers, or of a randomised network."""
        return read_variants([Path(folder) for folder in self.runs["folder"]], list(self.runs["seed"]))

    def variants_of(self, split: str, variant: str) -> pd.DataFrame:
        """The variants of one kind in a split, of the images that are ranked."""
        rows = self.variants[(self.variants["split"] == split) & (self.variants["variant"] == variant)]
        ranked = self.of_split(split)[["seed", "sample"]].drop_duplicates()
        return rows.merge(ranked, on=["seed", "sample"])

    def blurred(self, split: str) -> pd.DataFrame:
        """The blurred maps of methods and controls in a split, with the maps themselves as level 0; none without."""
        blurred = self.variants_of(split, BLUR)
        if blurred.empty:
            return blurred
        raw = pd.concat([self.scores, self.control_scores])
        raw = raw[raw["split"] == split].assign(variant=BLUR, level=0, changed="nothing")
        return pd.concat([raw, blurred], ignore_index=True)

    @property
    def all_images(self) -> pd.DataFrame:
        """``split``, ``sample`` and ``case`` of every image, ranked or not."""
        columns = ["split", "sample", "case"]
        return pd.concat([self.scores[columns], self.excluded[columns]]).drop_duplicates()

    def of_split(self, split: str) -> pd.DataFrame:
        """The scores of a split."""
        return self.scores[self.scores["split"] == split]

    def controls_of_split(self, split: str) -> pd.DataFrame:
        """The scores of the controls without evidence in a split, those that a method must beat."""
        rows = self.control_scores[self.control_scores["split"] == split]
        return rows[
            rows["method"].isin([name for name, facts in self.controls.items() if facts.control == NO_EVIDENCE])
        ]

    def scores_of(self, run: pd.Series) -> pd.DataFrame:
        """The scores of one run."""
        scores, fold = self.scores, run["fold"]
        same_fold = scores["fold"].isna() if pd.isna(fold) else (scores["fold"] == fold).fillna(False)
        return scores[(scores["seed"] == run["seed"]) & same_fold]

    @property
    def ranked_only(self) -> bool:
        """Whether nothing was trained: networks, or maps, that existed take the place of seeds."""
        return is_ranked_only(self.config)

    @property
    def repeat(self) -> str:
        """What the group repeats over, beside folds: a seed or, where nothing was trained, a network."""
        return "network" if self.ranked_only else "seed"

    @property
    def seeds(self) -> str:
        """Seeds and folds in words: "10 seeds (42 to 51)"; of networks that existed "2 networks (a.pth and b.pth)"."""
        if self.ranked_only:
            names = list(dict.fromkeys(map(network_name, self.runs["config"])))
            return f"{count(self.runs['seed'].nunique(), self.repeat)} ({in_words(names)})"
        seeds = sorted(set(self.runs["seed"]))
        consecutive = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
        listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else in_words([str(seed) for seed in seeds])
        folds = sorted(set(self.runs["fold"].dropna()))
        folds_too = f", folds {in_words([str(fold) for fold in folds])}" if len(folds) > 1 else ""
        return f"{count(len(seeds), 'seed')} ({listed}){folds_too}"

    @property
    def remarks(self) -> list[str]:
        """What a reader should know of runs that are pooled: versions that differ, images that were left out."""
        versions = [info.get("versions") or {} for info in self.runs["info"]]
        remarks = []
        if self.ranked_only and self.runs["seed"].nunique() > 1:
            remarks.append("Each network counts as a seed.")
        for name in _SOFTWARE:
            found = sorted({str(some[name]) for some in versions if name in some})
            if len(found) > 1:
                remarks.append(f"Runs with different versions of {name} are pooled: {in_words(found)}.")
        if counts_only_relied_on(self.config):
            remarks.append(relied_on_in_words(self.scores, self.excluded))
        return remarks

    def basis(self, images: pd.DataFrame, verb: str = " ranked") -> str:
        """How many seeds, folds, distinct ``images`` and cases something rests on, and which group it is."""
        parts = []
        for split, rows in images.groupby("split"):
            n_images, n_cases = rows["sample"].nunique(), rows["case"].nunique()
            cases = f" ({count(n_cases, 'case')})" if n_cases < n_images else ""
            parts.append((list(SPLITS).index(str(split)), f"{n_images:,} {SPLITS[str(split)].lower()}{cases}"))
        noun = "image" if images.drop_duplicates(["split", "sample"]).shape[0] == 1 else "images"
        folds = self.runs["fold"].nunique()
        runs = count(self.runs["seed"].nunique(), self.repeat)
        runs += f", {count(folds, 'fold')}" if folds > 1 else ""
        return self.signed(f"{runs}; {in_words([text for _, text in sorted(parts)])} {noun}{verb}")

    def run_basis(self, run: pd.Series) -> str:
        """Which of the runs something shows."""
        fold = f", fold {run['fold']}" if self.runs["fold"].nunique() > 1 else ""
        which = network_name(run["config"]) if self.ranked_only else f"seed {run['seed']}"
        return self.signed(f"{which}{fold}")

    def signed(self, text: str) -> str:
        """The text with the group's name, where there are several."""
        return f"{text}; {self.name}." if self.name else f"{text}."


def network_name(config: Mapping[str, Any]) -> str:
    """What a network that existed, or a folder of maps, is called: its file, its run, or what made it."""
    model = config["model"]
    place = config["maps"] or model["path"] or model["weights"]
    return PurePath(place).name if place else str(model["factory"] or model["name"])


def count_of(scores: pd.DataFrame) -> str:
    """How many images scores hold, and how many cases where these are fewer: "16 images, 14 cases"."""
    return images_in_words(scores["sample"].nunique(), scores["case"].nunique())


def all_methods(groups: Iterable[Group]) -> dict[str, MethodFacts]:
    """The methods of all groups, those of the first group first."""
    found: dict[str, MethodFacts] = {}
    for group in groups:
        found |= {name: facts for name, facts in group.methods.items() if name not in found}
    return found


def split_tables(
    scores: pd.DataFrame, metrics: pd.DataFrame, excluded: pd.DataFrame, runs: pd.DataFrame
) -> list[Group]:
    """A group for every value of the column ``group`` of ``runs``, in order.

    Where ``ranking.relied_on`` asks for it, images whose defect the model does not use are excluded there.
    """
    names_of_controls = {name for info in runs["info"] for name, facts in method_facts(info).items() if facts.control}
    tables = (scores, metrics, excluded, runs)
    parts = [{str(name): part for name, part in table.groupby("group", sort=False)} for table in tables]
    names = list(dict.fromkeys(runs["group"]))
    groups = []
    for name in names:
        rows, epochs, left_out, its_runs = (
            part.get(name, table.head(0)) for part, table in zip(parts, tables, strict=True)
        )
        if counts_only_relied_on(its_runs["config"].iloc[0]):
            rows, left_out = leave_out_ignored(rows, left_out)
        of_control = rows["method"].isin(names_of_controls)
        title = name if len(names) > 1 else ""
        groups.append(Group(title, rows[~of_control], rows[of_control], epochs, left_out, its_runs))
    return groups
