"""Two seeds in one process, read back by TensorBoard's own reader."""

import pytest

from tests.tracking.sweeps import expected_epochs, expected_scores, expected_wins, run_command, run_folders

pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'xairank[trackers]'")
pytestmark = pytest.mark.xdist_group("tensorboard")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    status, _, err = run_command(folder, "seed=1,2", "logger=tensorboard", "-m")
    assert status == 0, err
    return folder


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), {"scalars": 0, "tensors": 0, "images": 0}).Reload()


def texts(found):
    return {tag: found.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in found.Tags()["tensors"]}


def test_each_seed_has_a_folder_with_the_values_of_its_files(sweep):
    runs = run_folders(sweep)
    assert len(runs) == 2
    for label, run in runs.items():
        found = events(sweep / "tensorboard" / "test" / label)
        scalars = {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
        for name, values in expected_epochs(run).items():
            assert [step for step, _ in scalars.pop(name)] == [0, 1]
            assert [one.value for one in found.Scalars(name)] == pytest.approx(values, rel=1e-6)
        ends = {tag: values[-1][1] for tag, values in scalars.items()}
        expected = expected_scores(run) | expected_wins(run) | expected_wins(run, "train")
        assert ends == pytest.approx(expected, rel=1e-6)


def test_it_has_the_words_the_table_the_configuration_and_how_it_ended(sweep):
    label = next(iter(run_folders(sweep)))
    found = texts(events(sweep / "tensorboard" / "test" / label))
    said = {tag.removesuffix("/text_summary"): text for tag, text in found.items()}
    assert said["status"] == "finished"
    assert "One seed is one draw" in said["conclusion"]
    assert said["scores"].startswith("| split | method | score |")
    parameters = (sweep / "tensorboard" / "test" / label / "hparams.yaml").read_text()
    assert "model.beta: 1" in parameters
    assert "attribution.methods.integrated_gradients.n_steps: 4" in parameters
    assert "logger" not in parameters


def test_the_sweep_has_a_summary_with_tables_and_figures(sweep):
    found = events(sweep / "tensorboard" / "test" / "summary")
    said = texts(found)
    assert "tables/ranking/text_summary" in said
    assert "figures/figure7_win_rate" in found.Tags()["images"]
    assert said["conclusion/text_summary"]


def test_repeating_the_sweep_makes_nothing_new(sweep):
    before = sorted((sweep / "tensorboard").rglob("*"))
    status, out, _ = run_command(sweep, "seed=1,2", "logger=tensorboard", "-m")
    assert (status, out.count("complete, skipped")) == (0, 2)
    assert sorted((sweep / "tensorboard").rglob("*")) == before


def test_the_name_of_a_folder_does_not_depend_on_the_tracker(sweep):
    assert not any("logger" in label for label in run_folders(sweep))
