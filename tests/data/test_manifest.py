import hashlib

import pandas as pd
import pytest

from xairank.data.manifest import faults, write_manifest
from xairank.errors import UserError


def test_lists_every_file_with_size_and_hash(category):
    table = pd.read_csv(write_manifest(category))
    paths = sorted(path.relative_to(category).as_posix() for path in category.rglob("*.png"))
    assert table["path"].tolist() == paths
    for row in table.itertuples():
        content = (category / row.path).read_bytes()
        assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert faults(category) == []


def test_what_is_missing_changed_or_too_many_is_named(category):
    write_manifest(category)
    (category / "test/crack/000.png").unlink()
    (category / "test/hole/001.png").write_bytes(b"changed")
    (category / "test/hole/new.png").write_bytes(b"new")
    found = faults(category)
    assert [message.partition(": ")[0] for message in found] == [
        str(category / name) for name in ("test/crack/000.png", "test/hole/001.png", "test/hole/new.png")
    ]
    assert ["missing" in found[0], "changed" in found[1], "does not belong to the data set" in found[2]] == [True] * 3


def test_hazelnut_has_originals_to_compare_with_also_without_manifest(category):
    hazelnut = category.rename(category.with_name("hazelnut"))
    found = faults(hazelnut)
    assert len(found) == 6
    assert sum("is missing" in message for message in found) == 2  # the tiny category has neither print nor cut
    assert any(message.startswith(f"{hazelnut / 'test/crack/000.png'}: was changed") for message in found)


def test_without_anything_to_compare_with_it_says_so(category):
    with pytest.raises(UserError, match=r"manifest.csv: no such file, and no hash of nuts is known"):
        faults(category)


def test_a_manifest_that_is_none_is_named(category):
    (category / "manifest.csv").write_text("hello\n")
    with pytest.raises(UserError, match=r"manifest.csv: is not a manifest; expected the columns path, size, sha256"):
        faults(category)


def test_a_category_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nuts: no such folder; python -m xairank.data download category=nuts"):
        faults(tmp_path / "nuts")
