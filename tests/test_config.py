import copy

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from xairank.config import CONFIGURATION, flatten, require_keys, validate
from xairank.errors import UserError
from xairank.rules import EXPLAIN_RULES, TRAIN_RULES


def composed(*overrides, command="train"):
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        return OmegaConf.to_container(compose(command, list(overrides)), resolve=True)


@pytest.fixture(scope="module")
def synthetic():
    return composed("data=synthetic")


def test_the_default_is_the_papers_table_1_on_hazelnut():
    config = composed()
    assert config["seed"] == 42
    assert config["data"]["category"] == "hazelnut"
    assert config["trainer"]["max_epochs"] == 30
    assert config["data"]["batch_size"] == 32
    assert config["model"]["lr"] == 0.001
    assert config["data"]["num_workers"] == 4
    assert config["model"]["beta"] == 1
    assert config["model"]["decoder_channels"] == 16
    assert config["model"]["encoder"] == "efficientnet_b0"
    assert config["model"]["pretrained"] is True
    assert list(config["attribution"]["methods"]) == ["gradcam", "saliency", "integrated_gradients"]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data=synthetic"],
        ["data=folder", "data.category=nuts", "data.table=nuts.csv"],
        ["data=folder", "data.category=nuts", "data.images=nuts/images", "data.masks=nuts/masks"],
        ["experiment=paper"],
        ["experiment=reference_code"],
        ["experiment=demo"],
        ["logger=wandb"],
    ],
)
def test_every_shipped_configuration_is_valid(overrides):
    validate(composed(*overrides))


def test_every_key_has_a_rule_and_every_rule_a_key(synthetic):
    groups = {"data.synthetic"}  # null in data=mvtec, its own keys in data=synthetic
    assert set(flatten(synthetic)) == set(TRAIN_RULES) - groups


@pytest.fixture(scope="module")
def explaining():
    return composed("model=timm", "model.name=resnet18", "model.weights=mine.pth", "images=parts", command="explain")


def test_every_key_of_explain_has_a_rule_and_every_rule_a_key(explaining):
    assert set(flatten(explaining)) == set(EXPLAIN_RULES)


def test_a_network_of_training_is_not_explained_by_its_name(explaining, synthetic):
    with pytest.raises(UserError, match=r"model=multitask: is what .*train trains; .*, torchvision, python or run$"):
        require_keys({**explaining, "model": synthetic["model"]})


@pytest.mark.parametrize("images", ["a.png", "parts/*.png", ["a.png", "b"]])
def test_explain_takes_one_place_or_several(explaining, images):
    require_keys(explaining)
    validate({**explaining, "images": images})


# Two values a key that it must not take: of another type, and out of range.
IMPOSSIBLE = {
    "seed": (-1, "a"),
    "name": ("", "a/b"),
    "data.root": ("", 3),
    "data.category": ("../x", None),
    "data.download": ("yes", 1),
    "data.table": ("", 3),
    "data.images": ("", True),
    "data.masks": ("", 1.5),
    "data.image_size": (16, 224.0),
    "data.crop": ("left", None),
    "data.mask_threshold": (-1, 127.5),
    "data.batch_size": (1, "32"),
    "data.num_workers": (-1, True),
    "data.cache": ("yes", 1),
    "data.split_seed": (-1, None),
    "data.fold": (-1, 5),
    "data.n_folds": (1, 2.5),
    "data.augment_evaluation": ("yes", 1),
    "data.synthetic.good": (0, None),
    "data.synthetic.defects": ({}, {"crack": 0}),
    "data.synthetic.image_size": (8, 5000),
    "data.synthetic.seed": (-3, "x"),
    "data.synthetic.distractor": ("dot", None),
    "model.encoder": ("", None),
    "model.pretrained": ("no", 0),
    "model.encoder_weights": ("", 5),
    "model.decoder_channels": (0, 16.5),
    "model.beta": (-1, float("nan")),
    "model.mask_loss": ("dice", None),
    "model.class_weights": ("equal", True),
    "model.normalize": (None, "on"),
    "model.lr": (0, float("inf")),
    "attribution.batch_limit": (0, "many"),
    "attribution.keep_maps": ("all", None),
    "attribution.methods": ({}, {"gradcam": {}}),
    "attribution.controls": (None, {"center": {}}),
    "attribution.ladder": (None, 2),
    "attribution.randomise": (None, "all"),
    "evaluation.metrics": ({}, {"topk_overlap": {}}),
    "evaluation.measures": (None, {"reliance": {}}),
    "trainer.max_epochs": (0, 1.5),
    "trainer.accelerator": ("tpu9", None),
    "trainer.devices": (0, [1, 1]),
    "trainer.precision": ("16", 32),
    "trainer.deterministic": ("yes", None),
    "ranking.metric": ("", "accuracy"),
    "ranking.ties": ("last", None),
    "ranking.relied_on": ("yes", 1),
    "logger": ("csv", None),
}


IMPOSSIBLE_TO_EXPLAIN = {
    "images": (None, []),
    "masks": ("", ["a.png"]),
    "output": (None, ""),
    "overwrite": ("yes", None),
    "target": (None, ""),
    "scale": ("method", None),
    "image_size": (16, "224"),
    "crop": ("left", None),
    "mask_threshold": (-1, 70000),
    "batch_size": (0, 1.5),
    "seed": (-1, "a"),
    "device": ("gpu", None),
    "model.source": ("keras", 3),
    "model.name": ("", 18),
    "model.weights": ("", 1),
    "model.factory": ("", 1),
    "model.arguments": (None, "a"),
    "model.path": ("", 1),
    "model.classes": ([], ["a", "a"]),
    "model.layer": ("", 4),
    "model.mean": ("none", ["a"]),
    "model.std": (1, [True]),
    "attribution.batch_limit": (0, "many"),
    "attribution.keep_maps": ("all", None),
    "attribution.methods": ({}, {"gradcam": {}}),
    "attribution.controls": (None, {"center": {}}),
    "attribution.ladder": (None, 2),
    "attribution.randomise": (None, "all"),
}


def test_the_lists_of_impossible_values_have_every_key(synthetic, explaining):
    assert set(IMPOSSIBLE) == set(flatten(synthetic))
    assert set(IMPOSSIBLE_TO_EXPLAIN) == set(flatten(explaining))


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in IMPOSSIBLE_TO_EXPLAIN.items() for value in values]
)
def test_explain_names_an_impossible_value_with_what_is_allowed(explaining, key, value):
    config = copy.deepcopy(explaining)
    group, _, name = key.rpartition(".")
    (config[group] if group else config)[name] = value
    with pytest.raises(UserError, match=f"^{key}=.* is not allowed: expected "):
        validate(config)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in IMPOSSIBLE.items() for value in values])
def test_an_impossible_value_is_named_with_what_is_allowed(synthetic, key, value):
    config = copy.deepcopy(synthetic)
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    with pytest.raises(UserError) as caught:
        validate(config)
    message = str(caught.value)
    assert message.startswith(f"{key}=")
    assert "expected " in message or "folds are numbered from 0 to 4" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=folder", "data.table=a.csv"], r"data.category=null is not allowed: expected a plain folder name"),
        (["data=folder", "data.category=nuts"], r"data: no place given; expected data.table=FILE, or data.images"),
        (["data=folder", "data.category=nuts", "data.images=a"], r"data.masks: missing; .* belongs to data.images=a"),
        (["data=folder", "data.category=nuts", "data.masks=a"], r"data.images: missing; .* belongs to data.masks=a"),
        (["data.table=a.csv"], r"data.root=data/mvtec and data.table=a.csv: more than one place; .* data=folder"),
    ],
)
def test_data_is_in_exactly_one_place(overrides, message):
    with pytest.raises(UserError, match=message):
        validate(composed(*overrides))


@pytest.mark.parametrize("key", ["seed", "attribution.methods", "model.beta", "data.synthetic.seed"])
def test_a_missing_key_is_named(synthetic, key):
    config = copy.deepcopy(synthetic)
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    del place[name]
    require_keys(synthetic)
    with pytest.raises(UserError, match=f"^{key}: is missing; expected "):
        require_keys(config)


def test_a_key_without_a_rule_is_unknown(synthetic):
    config = copy.deepcopy(synthetic)
    config["model"]["betta"] = 1
    with pytest.raises(UserError, match=r"model.betta: no such key; did you mean model.beta\?"):
        validate(config)


def test_ranking_what_the_model_relies_on_needs_a_model_and_its_measure(synthetic):
    config = copy.deepcopy(synthetic)
    config["ranking"]["relied_on"] = True
    validate(config)
    config["evaluation"]["measures"] = {}
    with pytest.raises(UserError, match=r"^ranking.relied_on=true: decides by evaluation.measures.reliance, which is"):
        validate(config)
    maps = composed("maps=some", "ranking.relied_on=true", command="rank")
    with pytest.raises(UserError, match=r"^ranking.relied_on=true and maps=some: .* cannot be measured without the"):
        validate(maps)


def test_faithfulness_adds_metrics_to_those_of_plausibility():
    evaluation = composed("evaluation=faithfulness")["evaluation"]
    plausibility = composed("evaluation=plausibility")["evaluation"]["metrics"]
    assert len(plausibility) == 9
    assert list(evaluation["measures"]) == ["reliance"]
    assert list(evaluation["metrics"]) == [
        *plausibility,
        *("deletion_mean_color", "deletion_blurred"),
        *("insertion_mean_color", "insertion_blurred", "sensitivity", "complexity"),
    ]
