import copy

import pytest

from tests.test_config import composed
from xairank.runs.identity import identity, run_label


@pytest.fixture(scope="module")
def config():
    return composed("data=synthetic")


def changed(config, key, value):
    config = copy.deepcopy(config)
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    return config


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ([], "seed=42"),
        (["seed=42"], "seed=42"),
        (["name=x", "data.root=/a/b"], "seed=42"),
        (["experiment=demo", "data.root=/a/b"], "seed=42"),
        (["name=x", "experiment=demo"], "experiment=demo,seed=42"),
        (["logger=mlflow", "logger.tracking_uri=http://host:5000", "+logger.tags.team=a"], "seed=42"),
        (["~evaluation.metrics.topk_iou"], "evaluation.metrics.topk_iou=removed,seed=42"),
        (["seed=42", "model.beta=0"], "model.beta=0,seed=42"),
        (["model.encoder=resnet18", "data=synthetic"], "data=synthetic,model.encoder=resnet18,seed=42"),
        (["model.factory=nets:build"], "model.factory=nets-build,seed=42"),
        (["model.factory=nets\\:build"], "model.factory=nets-build,seed=42"),  # as a sweep hands it on
        (["+model.extra=a/b c"], "model.extra=a-b-c,seed=42"),
        (["++trainer.gradient_clip_val=1"], "seed=42,trainer.gradient_clip_val=1"),
        (["trainer.accelerator=gpu", "trainer.devices=[1]"], "seed=42"),
        (["trainer.devices=1"], "seed=42"),
        (["trainer.devices=2"], "seed=42,trainer.devices=2"),
        (["trainer.devices=[0,1]"], "seed=42,trainer.devices=[0,1]"),
        (["model.beta=1.0"], "model.beta=1,seed=42"),
        (["model.beta=1"], "model.beta=1,seed=42"),
        (["model.lr=1e-3"], "model.lr=0.001,seed=42"),
        (["model.lr=0.0010"], "model.lr=0.001,seed=42"),
        (["model.lr=.5E1"], "model.lr=5,seed=42"),
        (["model.pretrained=False"], "model.pretrained=false,seed=42"),
        (["data.category=007"], "data.category=007,seed=42"),  # a text to Hydra
        (["data.split_seed=9007199254740993"], "data.split_seed=9007199254740993,seed=42"),  # beyond a float
    ],
)
def test_a_folder_is_named_by_its_overrides(overrides, label):
    assert run_label(overrides, 42) == label


def test_a_very_long_label_is_cut_and_stays_unique():
    labels = {run_label([f"data.category={'x' * 300}{end}"], 1) for end in "ab"}
    assert len(labels) == 2
    assert max(map(len, labels)) < 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("data.root", "/elsewhere"),
        ("data.table", "elsewhere.csv"),
        ("data.num_workers", 0),
        ("data.cache", False),
        ("logger", {"_target_": "x"}),
        ("trainer.accelerator", "gpu"),
        ("trainer.devices", [3]),
        ("attribution.batch_limit", 3),
        ("attribution.keep_maps", False),
    ],
)
def test_places_are_not_part_of_the_identity(config, key, value):
    assert identity(changed(config, key, value)) == identity(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 43),
        ("model.beta", 0.5),
        ("data.fold", 1),
        ("data.synthetic.seed", 1),
        ("attribution.methods", {"gradcam": {"_target_": "xairank.attribution.GradCAM"}}),
        ("ranking.ties", "first"),
        ("ranking.relied_on", True),
        ("evaluation.measures", {}),
        ("trainer.gradient_clip_val", 1),
        ("trainer.deterministic", False),
        ("trainer.devices", 2),  # each normalises its share of a batch by itself
        ("trainer.devices", [0, 3]),
    ],
)
def test_everything_else_is_part_of_the_identity(config, key, value):
    assert identity(changed(config, key, value)) != identity(config)


def test_weights_count_by_content_not_by_place_or_name(config):
    here, there = (changed(config, "model.encoder_weights", path) for path in ("a/w.pth", "b/v.pth"))
    assert identity(here, "1" * 64) == identity(there, "1" * 64)
    assert identity(here, "1" * 64) != identity(here, "2" * 64)
    assert len({identity(config, weights) for weights in (None, "pretrained:resnet18", "1" * 64)}) == 3


def test_two_files_of_weights_with_one_name_are_two_folders_one_file_in_two_places_is_one():
    one = run_label(["model.encoder_weights=in1k/model.safetensors"], 1, "1" * 64)
    other = run_label(["model.encoder_weights=in22k/model.safetensors"], 1, "2" * 64)
    assert (one, other) == (
        "model.encoder_weights=model-11111111,seed=1",
        "model.encoder_weights=model-22222222,seed=1",
    )
    assert run_label(["model.encoder_weights='/moved/model.safetensors'"], 1, "1" * 64) == one
    assert run_label(["model.encoder_weights=null"], 1) == "seed=1"


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("model.beta", 1, 1.0),
        ("model.lr", 1e-3, 0.001),
        ("attribution.methods", {"a": {"_target_": "x", "k": [2, 3]}}, {"a": {"_target_": "x", "k": [2.0, 3.0]}}),
    ],
)
def test_one_number_in_two_spellings_is_one_run(config, key, one, other):
    assert identity(changed(config, key, one)) == identity(changed(config, key, other))


def test_a_switch_is_not_a_number(config):
    assert identity(changed(config, "model.normalize", True)) != identity(changed(config, "model.normalize", 1))
