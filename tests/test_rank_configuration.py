"""The configuration of ``python -m xairank.rank``: every key has a rule, and paths may be typed as they are."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from xairank.config import CONFIGURATION, flatten, require_keys, validate
from xairank.errors import UserError
from xairank.hydra_command import _arguments
from xairank.rules import RANK_RULES


def composed(*overrides):
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        return OmegaConf.to_container(compose("rank", list(overrides)), resolve=True)


def test_every_key_has_a_rule_and_every_rule_a_key():
    config = composed("data=synthetic", "model=timm")
    require_keys(config)
    assert set(flatten(config)) == set(RANK_RULES) - {"data.synthetic"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("model.source", value) for value in ("keras", 3)),
        *((f"model.{key}", value) for key in ("name", "weights", "factory", "path", "layer") for value in ("", 3)),
        *(("model.arguments", value) for value in (None, "a=1")),
        *(("model.classes", value) for value in ([], ["a", "a"], 3, "")),
        *((key, value) for key in ("model.mean", "model.std") for value in ([1], ["a", "b", "c"], "imagenet")),
        ("model.std", [0, 1, 1]),
        *(("device", value) for value in ("gpu", "cuda:x", None)),
        *(("maps", value) for value in ("", 3)),
        *(("maps_sign", value) for value in ("as is", True)),
        *(("predictions", value) for value in ("", 3)),
        *(("data.fold", value) for value in (-1, 1.5)),
    ],
)
def test_an_impossible_value_is_named_with_what_is_allowed(key, value):
    config = composed("model=timm")
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    with pytest.raises(UserError, match=rf"^{key}=.* is not allowed: expected "):
        validate(config)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("model.path=multirun/paper/seed=42", 'model.path="multirun/paper/seed=42"'),
        ("model.path=a/seed=1,a/seed=2", 'model.path="a/seed=1","a/seed=2"'),
        ("model.weights=my net.pth", 'model.weights="my net.pth"'),
        ("model.path='a/seed=1'", "model.path='a/seed=1'"),
        ("model.path=a/b", "model.path=a/b"),
        ("maps=${name}", "maps=${name}"),
        ("model.beta=0", "model.beta=0"),
    ],
)
def test_paths_may_be_typed_as_they_are(typed, read):
    assert _arguments([typed]) == [read]


def test_a_path_with_a_comma_that_exists_is_one_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=0,seed=1").mkdir()
    assert _arguments(["model.path=a=0,seed=1"]) == ['model.path="a=0,seed=1"']
