import io

import pandas as pd
import pytest
from rich.console import Console

from xairank.tables.table import Table

METHODS = [f"Method number {number}" for number in range(12)]
TABLE = Table(
    name="wins",
    title="Wins",
    data=pd.DataFrame(),
    header=["Class", *METHODS],
    blocks=[
        [["Overall", *(f"{number}.5" for number in range(12))], ["Hole", *(f"{number}.7" for number in range(12))]]
    ],
)


def printed(width):
    output = io.StringIO()
    Console(file=output, width=width).print(TABLE.to_rich(width=width))
    return [line.split() for line in output.getvalue().splitlines()]


def test_a_table_that_is_too_wide_for_the_terminal_lies_on_its_side():
    lines = printed(80)
    assert ["Class", "Overall", "Hole"] in lines
    assert ["Method", "number", "11", "11.5", "11.7"] in lines


@pytest.mark.parametrize("width", [250, 300])
def test_a_table_that_fits_stands(width):
    lines = printed(width)
    assert ["Overall", *(f"{number}.5" for number in range(12))] in lines
