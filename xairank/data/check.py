"""``python -m xairank.data check``: what a data set holds, and everything that is wrong with it."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.table import Table

from xairank.config import CONFIGURATION, validate
from xairank.console import command, console, parse_arguments, print_error, print_line, tracker
from xairank.data.decoding import decode
from xairank.data.duplicates import group_near_duplicates
from xairank.data.faults import Faults
from xairank.data.images import MaskValuesError, View, read_image
from xairank.data.index import PLACES, Source, index_samples
from xairank.data.notices import (
    duplicates_notice,
    group_members,
    listed,
    names,
    shape_notice,
    threshold_notice,
    view_notice,
)
from xairank.data.splits import Groups, choose_split
from xairank.errors import UserError
from xairank.names import count
from xairank.schema import GOOD, SPLITS

USAGE = """\
python -m xairank.data check [category=hazelnut] [root=data/mvtec]
python -m xairank.data check table=my_data/screws.csv
python -m xairank.data check images=my_data/images masks=my_data/masks

Reads every image and mask, shows what there is, and lists everything that is wrong with it, a line a fault. Takes the
keys of conf/data, for example image_size=224 crop=none mask_threshold=127 n_folds=5. Exit status 2 if
there is a fault. Nothing is written."""
_TEXTS = ("category", "crop", *PLACES)  # keys whose values are text whatever they look like
_SHOWN = 20  # groups of near-duplicates, samples that are not ranked


@command
def main(arguments: list[str]) -> None:
    """Prints the summary and every fault."""
    options = parse_options(arguments)
    source = Source.from_options(options)
    view = View(options["image_size"], options["crop"], options["mask_threshold"])
    faults = Faults()
    table = index_samples(source, faults)
    decoded = decode(table, view, options["num_workers"], faults, tracker("Decoding images"))
    readable = decoded.facts["width"].notna()
    n_masks = int(table["mask"].notna().sum())
    table, facts = table[readable].reset_index(drop=True), decoded.facts[readable].reset_index(drop=True)
    groups = group_near_duplicates(decoded.thumbnails[readable])
    with faults.collect():
        table["split"] = choose_split(table, options["fold"], options["n_folds"], options["split_seed"], groups)
    summarise(source, table, facts, groups, view)
    if notice := grey_notice(decoded.errors, n_masks):
        _print("Grey masks", notice)
    for message in faults.grouped():
        print_error(UserError(message))
    if faults.messages:
        sys.exit(2)
    console.print("No fault found.")


def parse_options(arguments: Sequence[str]) -> dict[str, Any]:
    """The values of ``data`` from ``key=value`` arguments, over the defaults of ``conf/data``.

    Raises:
        UserError: A key does not exist, or a value is not allowed.
    """
    options: dict[str, Any] = yaml.safe_load((CONFIGURATION / "data" / "mvtec.yaml").read_text(encoding="utf-8"))
    del options["synthetic"], options["download"]
    plain = [argument.removeprefix("data.") for argument in arguments]  # as training has the keys
    values = parse_arguments(plain, options, usage=USAGE, example="category=hazelnut")
    given = {key: text if key in _TEXTS else _value(text) for key, text in values.items()}
    place = given.get("table") or given.get("images")
    if place:  # as data=folder; the name matters to runs only
        options |= {"root": None, "category": Path(place).stem}
    options |= given
    validate({"data": options})
    return options


def summarise(source: Source, table: pd.DataFrame, facts: pd.DataFrame, groups: Groups, view: View) -> None:
    """Prints what the readable samples are.

    Args:
        source: Where they are.
        table: The samples; with ``split`` where they can be split.
        facts: A row a sample, see :class:`xairank.data.decoding.Facts`.
        groups: Of near-duplicates.
        view: How images and masks are resized.
    """
    _print(source.category, f"{len(table)} readable images in {source.place}")
    console.print(class_table(table))
    if (facts["mask_pixels"] > 0).any():
        console.print(mask_table(table, facts, view.size**2))
    sizes = facts.astype({"width": int, "height": int}).groupby(["width", "height"]).size()
    listed_sizes = listed(f"{number} of {width} x {height}" for width, height, number in sizes.reset_index().to_numpy())
    _print("Image sizes, in pixels", listed_sizes or "none")
    _print("The model sees", f"{view.size} x {view.size} pixels, data.crop={view.crop}")
    if notice := view_notice(table, facts):
        _print("Cut masks", notice)
    if notice := shape_notice(facts):
        _print("Shapes", notice)
    if notice := threshold_notice(table, facts, view):
        _print("Empty masks", notice)
    similar = [rows for rows in group_members(groups) if len(rows) > 1]
    identical = [rows for group in similar for rows in identical_images(table, group)]
    _print("Identical images", _groups(table, identical))
    _print("Near-duplicate images", _groups(table, similar))
    if "split" in table and (notice := duplicates_notice(table, groups)) and "both sides" in notice:
        _print("Split", notice)
    mixed = [rows for rows in similar if len(set(table["label"].to_numpy()[rows])) > 1]
    if mixed:
        _print("Near-duplicate images of several classes", _groups(table, mixed))
    gone = table["sample"][table["mask"].notna() & (facts["mask_pixels_seen"] == 0)]
    empty = f", {len(gone)} without mask in view ({listed(gone, _SHOWN)})" if len(gone) else ""
    _print("Not ranked", f"{(table['label'] == GOOD).sum()} good{empty}, and what the model misclassifies")


def grey_notice(errors: Iterable[UserError], n_masks: int) -> str | None:
    """How many of the masks need a threshold, and what it would do; None where none does.

    Args:
        errors: What is wrong with single files.
        n_masks: The number of masks, with or without fault.
    """
    refused = [error for error in errors if isinstance(error, MaskValuesError)]
    grey = [error for error in refused if error.levels > 1]
    if not grey:
        return None
    threshold = grey[0].threshold
    empty = sum(error.largest <= threshold for error in refused)
    return (
        f"{len(grey):,} of {count(n_masks, 'mask')} {'has' if len(grey) == 1 else 'have'} several values above 0; "
        f"mask_threshold={threshold} accepts them, and {count(empty, 'mask')} would be empty then"
    )


def class_table(table: pd.DataFrame) -> Table:
    """A row a class: its images, and how many of them are on each side of the split."""
    shown = _table("Class", "Images", *(side.capitalize() for side in SPLITS))
    for label, rows in table.groupby("label"):
        sides = [str((rows["split"] == side).sum()) if "split" in rows else "-" for side in SPLITS]
        shown.add_row(str(label), str(len(rows)), *sides)
    return shown


def mask_table(table: pd.DataFrame, facts: pd.DataFrame, view_pixels: int) -> Table:
    """A row a class of defects: the sizes of its masks, in the file and in what the model sees."""
    shown = _table("Masks", "Pixels: smallest", "median", "largest", "% of image", "% of view")
    shares = facts.assign(
        label=table["label"],
        of_image=100 * facts["mask_pixels"] / (facts["width"] * facts["height"]),
        of_view=100 * facts["mask_pixels_seen"] / view_pixels,
    )
    for label, rows in shares[facts["mask_pixels"] > 0].groupby("label"):
        pixels = rows["mask_pixels"].quantile([0, 0.5, 1])
        medians = rows[["of_image", "of_view"]].median()
        shown.add_row(str(label), *(f"{value:,.0f}" for value in pixels), *(f"{value:.2f}" for value in medians))
    return shown


def identical_images(table: pd.DataFrame, rows: list[int]) -> list[list[int]]:
    """The rows of a group of near-duplicates whose pixels are the same, by SHA-256, in sets of two and more."""
    same: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        image = read_image(table["image"].iloc[row])
        same[hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()].append(row)
    return [members for members in same.values() if len(members) > 1]


def _groups(table: pd.DataFrame, groups: list[list[int]]) -> str:
    if not groups:
        return "none"
    n_images = sum(map(len, groups))
    return f"{n_images} in {count(len(groups), 'group')} ({listed((names(table, rows) for rows in groups), _SHOWN)})"


def _table(first: str, *others: str) -> Table:
    shown = Table(pad_edge=False)
    shown.add_column(first)
    for column in others:
        shown.add_column(column, justify="right")
    return shown


def _value(text: str) -> Any:  # noqa: ANN401 - whatever the text says, its rule tests it
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _print(title: str, text: str) -> None:
    print_line(f"{title}: {text}.")
