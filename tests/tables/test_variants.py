import pytest

from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables

OPTIONS = {"attribution.controls": CONTROLS, "attribution.ladder": True, "attribution.randomise": True}
METHODS = {name: {"_target_": "xairank.attribution.GradCAM"} for name in ("gradcam", "saliency", "guided")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("multirun") / "paper"
    sweep = read_sweep(write_fake_sweep(place, range(42, 47), **OPTIONS, **{"attribution.methods": METHODS}))
    tables, words = make_tables(sweep)
    return sweep, {table.name: table for table in tables}, words


def rows_of(table, split, label):
    return [row for row in table.blocks[0] if row[0] == split and label in row]


def test_the_ladder_has_a_column_a_blur_and_the_means_of_a_plain_query(made):
    sweep, tables, words = made
    table = tables["ladder"]
    assert table.header == ["Split", "Method", "Unblurred", "2 px", "4 px", "8 px", "16 px", "32 px"]
    (row,) = rows_of(table, "Test", "Saliency")
    (group,) = sweep.groups
    raw = group.of_split("test").query("method == 'saliency'").groupby("seed")["topk_overlap"].mean().mean()
    blurred = group.variants_of("test", "blur").query("method == 'saliency' and level == 16")
    assert row[2].startswith(f"{raw:.3f} [")
    assert row[6].startswith(f"{blurred.groupby('seed')['topk_overlap'].mean().mean():.3f} [")
    assert rows_of(table, "Test", "control: Center")
    assert any(line.startswith("Test: ") and "blur" in line for line in words)


def test_layers_are_in_order_for_the_methods_that_have_them(made):
    rows = [row for row in made[1]["layers"].blocks[0] if row[0] == "Test"]
    assert [row[1:3] for row in rows] == [
        [name, "Grad-CAM"] for name in ("encoder.blocks.1", "encoder.blocks.4", "encoder.bn2")
    ]


def test_the_randomisation_check_names_who_fails(made):
    _, tables, words = made
    (row,) = rows_of(tables["randomisation"], "Test", "Guided")
    assert row[-1] == "maps stay alike"
    (row,) = rows_of(tables["randomisation"], "Test", "Grad-CAM")
    assert row[-1] == "falls"
    assert any(line.startswith("Test: Guided fails the randomisation check (") for line in words)


def test_without_variants_there_are_no_such_tables(tmp_path):
    names = {table.name for table in make_tables(read_sweep(write_fake_sweep(tmp_path / "plain")))[0]}
    assert not names & {"ladder", "layers", "randomisation"}
