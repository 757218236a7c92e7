"""The table that explaining ends with."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from xairank.names import count

SHOWN = 20  # images
WIDEST = 32  # characters of an image's key before it is wrapped for the columns behind it


def print_explained(console: Console, manifest: Mapping[str, Any]) -> None:
    """Prints predictions and, where masks are given, overlaps: of the first images, then how many more there are."""
    rows, methods = manifest["images"], manifest["methods"]
    with_masks = [row for row in rows if row["k"] is not None]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    longest = max(len(row["image"]) for row in rows[:SHOWN])
    table.add_column("Image", overflow="fold", min_width=min(longest, WIDEST))
    table.add_column("Predicted", overflow="fold")
    table.add_column("Probability", justify="right")
    if with_masks:
        table.title, table.title_justify = "Top-K Overlap with the mask", "left"
        for facts in methods.values():
            table.add_column(facts["label"], justify="right")
    for row in rows[:SHOWN]:
        overlaps = [_shown(row["methods"][name]["topk_overlap"]) for name in methods] if with_masks else []
        table.add_row(escape(row["image"]), escape(row["predicted"]), f"{row['probability']:.1%}", *overlaps)
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"and {count(len(rows) - SHOWN, 'more image')}; manifest.json has all.", highlight=False)
    if with_masks and len(with_masks) < len(rows):
        console.print(f"{count(len(with_masks), 'image')} of {len(rows):,} with a mask.", highlight=False)
    if manifest["explained"]["target"] != "predicted":
        console.print(f"Explained, whatever was predicted: {escape(manifest['explained']['target'])}.", highlight=False)


def _shown(overlap: float | None) -> str:
    return "-" if overlap is None else f"{overlap:.3f}"
