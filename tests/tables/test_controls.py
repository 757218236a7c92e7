"""Controls in the tables and in the words."""

import pytest

from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables


def test_controls_stand_below_the_methods_and_never_win(tmp_path):
    overrides = {"attribution.controls": CONTROLS}
    plain = read_sweep(write_fake_sweep(tmp_path / "multirun" / "plain", range(42, 52)))
    controlled = read_sweep(write_fake_sweep(tmp_path / "multirun" / "controlled", range(42, 52), **overrides))
    without, beside = ({table.name: table for table in make_tables(sweep)[0]} for sweep in (plain, controlled))
    for name in ("win_rate_train", "win_rate_test", "statistics"):
        assert beside[name].blocks == without[name].blocks, name
    table = beside["ranking"]
    rows = [row for row in table.blocks[0] if row[0] == "Test"]
    assert [row[1] for row in rows[3:]] == ["control: Random", "control: Center", "control: Own mask"]
    assert {dict(zip(table.header, row, strict=True))["Win rate"] for row in rows[3:]} == {"-"}
    shown = {row[1]: dict(zip(table.header, row, strict=True))["Against controls"] for row in rows[:3]}
    assert [label for label, verdict in shown.items() if verdict == "above"] == ["Grad-CAM"]
    assert set(shown.values()) <= {"above", "not shown", "below"}
    numbers = table.data[(table.data["split"] == "test") & (table.data["method"] == "center")]
    expected = controlled.scores.query("split == 'test' and method == 'center'").groupby("seed")["topk_overlap"].mean()
    assert numbers["score"].item() == pytest.approx(expected.mean())


def test_the_words_say_who_does_not_beat_a_control(tmp_path):
    sweep = read_sweep(write_fake_sweep(tmp_path / "controlled", range(42, 52), **{"attribution.controls": CONTROLS}))
    conclusions = make_tables(sweep)[1]
    (sentence,) = [line for line in conclusions if line.startswith("Test: ") and "control" in line]
    assert "Saliency (" in sentence
    assert "Grad-CAM" not in sentence
    assert "the best control without evidence, Center (" in sentence
