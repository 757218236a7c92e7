"""``python -m xairank.data check``: what a data set holds, and everything that is wrong with it."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.table import Table

from xairank.config import CONFIGURATION, unknown_key, validate
from xairank.console import command, console, print_error
from xairank.data.decoding import decode
from xairank.data.duplicates import group_near_duplicates
from xairank.data.faults import Faults
from xairank.data.files import GOOD
from xairank.data.images import read_image
from xairank.data.index import Source, index_samples
from xairank.data.notices import counted, duplicates_notice, group_members, listed, names, view_notice
from xairank.data.splits import Groups, choose_split
from xairank.errors import UserError

USAGE = """\
python -m xairank.data check [category=hazelnut] [root=data/mvtec]
python -m xairank.data check table=my_data/screws.csv
python -m xairank.data check images=my_data/images masks=my_data/masks

Reads every image and mask, tells what there is, and names everything that is wrong with it, a line a fault. Takes the
keys of conf/data without 'data.', for example image_size=224 crop=none n_folds=5. Exit status 2 where there is a fault.
Nothing is written."""
_SHOWN = 20  # groups of near-duplicates, samples that are not ranked


@command
def main(arguments: list[str]) -> None:
    """Prints the summary and every fault."""
    if "--help" in arguments or "-h" in arguments:
        print(USAGE)
        return
    options = parse_options(arguments)
    source = Source.from_options(options)
    faults = Faults()
    table = index_samples(source, faults)
    decoded = decode(table, options["image_size"], options["crop"], options["num_workers"], faults)
    readable = decoded.facts["width"].notna()
    table, facts = table[readable].reset_index(drop=True), decoded.facts[readable].reset_index(drop=True)
    groups = group_near_duplicates(decoded.thumbnails[readable])
    with faults.collect():
        table["split"] = choose_split(table, options["fold"], options["n_folds"], options["split_seed"], groups)
    summarise(source, table, facts, groups, options)
    for message in faults.messages:
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
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: found no '='; expected key=value, for example category=hazelnut")
        if key not in options:
            raise UserError(unknown_key(key, options))
        given[key] = text if isinstance(options[key], str | None) else _value(text)
    place = given.get("table") or given.get("images")
    if place:  # as data=folder; the name matters to runs only
        options |= {"root": None, "category": Path(place).stem}
    options |= given
    validate({"data": options})
    return options


def summarise(
    source: Source, table: pd.DataFrame, facts: pd.DataFrame, groups: Groups, options: dict[str, Any]
) -> None:
    """Prints what the readable samples are.

    Args:
        source: Where they are.
        table: The samples; with ``split`` where they can be split.
        facts: A row a sample, see :class:`xairank.data.decoding.Facts`.
        groups: Of near-duplicates.
        options: The values of ``data``.
    """
    _tell(source.category, f"{len(table)} readable images in {source.place}")
    console.print(class_table(table))
    if (facts["mask_pixels"] > 0).any():
        console.print(mask_table(table, facts, options["image_size"] ** 2))
    sizes = facts.astype({"width": int, "height": int}).groupby(["width", "height"]).size()
    listed_sizes = listed(f"{count} of {width} x {height}" for width, height, count in sizes.reset_index().to_numpy())
    _tell("Image sizes, in pixels", listed_sizes or "none")
    _tell("The model sees", f"{options['image_size']} x {options['image_size']} pixels, data.crop={options['crop']}")
    if notice := view_notice(table, facts):
        _tell("Cut masks", notice)
    similar = [rows for rows in group_members(groups) if len(rows) > 1]
    identical = [rows for group in similar for rows in identical_images(table, group)]
    _tell("Identical images", _groups(table, identical))
    _tell("Near-duplicate images", _groups(table, similar))
    if "split" in table and (notice := duplicates_notice(table, groups)) and "both sides" in notice:
        _tell("Split", notice)
    mixed = [rows for rows in similar if len(set(table["label"].to_numpy()[rows])) > 1]
    if mixed:
        _tell("Near-duplicate images of several classes", _groups(table, mixed))
    gone = table["sample"][(facts["mask_pixels"] > 0) & (facts["mask_pixels_seen"] == 0)]
    empty = f", {len(gone)} without mask in view ({listed(gone, _SHOWN)})" if len(gone) else ""
    _tell("Not ranked", f"{(table['label'] == GOOD).sum()} good{empty}, and what the model misclassifies")


def class_table(table: pd.DataFrame) -> Table:
    """A row a class: its images, and how many of them are on each side of the split."""
    shown = _table("Class", "Images", "Train", "Test")
    for label, rows in table.groupby("label"):
        sides = [str((rows["split"] == side).sum()) if "split" in rows else "-" for side in ("train", "test")]
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
    count = sum(map(len, groups))
    return f"{count} in {counted(len(groups), 'group')} ({listed((names(table, rows) for rows in groups), _SHOWN)})"


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


def _tell(what: str, told: str) -> None:
    console.print(f"{what}: {told}.", highlight=False, markup=False, soft_wrap=True)
