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

from xairank.config import unknown_key, validate
from xairank.console import command, console, print_error
from xairank.data.decoding import Decoded, decode
from xairank.data.duplicates import group_near_duplicates
from xairank.data.faults import Faults
from xairank.data.files import GOOD
from xairank.data.images import read_image
from xairank.data.index import Source, index_samples
from xairank.data.notices import defects, group_members, listed, names, view_notice
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
    # Hydra, which comes along, takes a moment that help and mistakes need not wait for.
    from xairank.train import CONFIGURATION

    options: dict[str, Any] = yaml.safe_load((CONFIGURATION / "data" / "mvtec.yaml").read_text(encoding="utf-8"))
    del options["synthetic"]
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: found no '='; expected key=value, for example category=hazelnut")
        if key not in options:
            raise UserError(unknown_key(key, options))
        given[key] = text if type(options[key]) in (str, type(None)) else yaml.safe_load(text)
    place = given.get("table") or given.get("images")
    if place:  # as data=folder; the name matters to runs only
        options |= {"root": None, "category": Path(place).stem}
    options |= given
    validate({"data": options})
    return options
