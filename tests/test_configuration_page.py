"""``docs/configuration.md`` says what the files in ``conf`` say."""

import re

import yaml

from tests.configuration_page import COMMANDS, CONF, GROUPS, PAGE, header, rows, text


def test_the_page_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == text(), (
        "docs/configuration.md is stale: python -m tests.configuration_page"
    )


def test_every_file_of_the_configuration_is_on_the_page():
    on_the_page = {f"{command}.yaml" for command in COMMANDS}
    on_the_page |= {f"{group}/{option}.yaml" for group, (options, *_) in GROUPS.items() for option in options}
    found = {str(path.relative_to(CONF)) for path in CONF.rglob("*.yaml")}
    assert {path for path in found if not path.startswith("hydra/")} == on_the_page


def test_every_leaf_of_a_file_is_a_row_with_its_value():
    def leaves(content, prefix=""):
        for key, value in content.items():
            if key in ("defaults", "hydra", "_target_"):
                continue
            if isinstance(value, dict) and value:
                yield from leaves(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    for path in [CONF / "rank.yaml", CONF / "data/synthetic.yaml", CONF / "attribution/extended.yaml"]:
        said = {row.key: row.default for row in rows(path)}
        for key, value in leaves(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert yaml.safe_load(said[key]) == value, f"{path}: {key}"


def test_comments_above_and_behind_a_key_are_its_meaning(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text(
        "# What it is for.\n\n# Above.\nplain: 1 # behind\nentry: # of an entry\n  _target_: a.b.C\n  n: [1, 2]\n"
    )
    assert header(path) == "What it is for."
    found = [(row.key, row.default, row.comment) for row in rows(path)]
    assert found == [("plain", "1", "Above. behind"), ("entry", "a.b.C", "of an entry"), ("entry.n", "[1, 2]", "")]


def test_what_is_allowed_and_what_markdown_would_swallow_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    assert re.search(r"^\| `model.mask_loss` \| `bce` \| bce or mse \|", page, re.MULTILINE)
    assert "multirun/&lt;name>/" in page
