import pytest

from tests.conftest import write_category
from xairank.data.faults import Faults
from xairank.data.index import Source, index_samples
from xairank.data.labels import check_labels


def faults_of(*labels):
    faults = Faults()
    check_labels({label: f"images/{label}" for label in labels}, faults)
    return faults.messages


def test_ordinary_names_will_do():
    assert faults_of("good", "crack", "metal nut", "metal_nut", "test2", "Größe", "overall wear") == []


@pytest.mark.parametrize("label", ["overall", "Overall", "train", "TEST", " test"])
def test_reserved_names_are_refused(label):
    (message,) = faults_of("good", label)
    assert message == (
        f"images/{label}: the class name {label!r} is reserved (as are overall, train, test); rename the class"
    )


@pytest.mark.parametrize("label", ["crack ", "\tcrack", "crack\u00a0"])
def test_white_space_around_a_name_is_refused(label):
    (message,) = faults_of("good", label)
    assert message == f"images/{label}: the class name {label!r} begins or ends with white space; rename the class"


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("good", "Good", "case"),
        ("Crack", "crack", "case"),
        ("metal nut", "metalnut", "white space or spelling of letters"),
        ("n\u00fct", "nu\u0308t", "white space or spelling of letters"),
    ],
)
def test_names_that_look_alike_are_refused(first, second, what):
    (message,) = faults_of(first, second)
    assert message == (
        f"images/{second}: the class name {second!r} differs from {first!r} in {what} only; rename one of them"
    )


def test_good_is_taken_even_without_good_images():
    (message,) = faults_of("GOOD", "crack")
    assert "'GOOD' differs from 'good' in case only" in message


def messages(source):
    faults = Faults()
    index_samples(source, faults)
    return faults.messages


def test_a_category_names_the_folder(tmp_path):
    folder = write_category(tmp_path / "nuts")
    for part in ("test", "ground_truth"):
        (folder / part / "hole").rename(folder / part / "overall")
    (message,) = messages(Source("nuts", root=tmp_path))
    assert message.startswith(f"{folder / 'test/overall'}: the class name 'overall' is reserved")


def test_a_pair_of_folders_names_the_folder(tmp_path):
    folder = write_category(tmp_path / "nuts")
    for part in ("test", "ground_truth"):
        (folder / part / "hole").rename(folder / part / "crack ")
    (message,) = messages(Source("nuts", images=folder / "test", masks=folder / "ground_truth"))
    assert message.startswith(f"{folder / 'test/crack '}: the class name 'crack ' begins or ends with white space")


def test_a_table_names_the_row(tmp_path):
    folder = write_category(tmp_path / "nuts")
    rows = [f"nuts/test/good/{name}.png,,{label}" for name, label in (("000", "good"), ("001", "Good"))]
    rows += ["nuts/test/hole/000.png,nuts/ground_truth/hole/000_mask.png, hole "]  # a table's labels are stripped
    (tmp_path / "t.csv").write_text("\n".join(["image,mask,label", *rows]))
    found = messages(Source("nuts", table=tmp_path / "t.csv"))
    assert (
        f"{tmp_path / 't.csv'}, row 3: the class name 'Good' differs from 'good' in case only; rename one of them"
        in found
    )
    assert not any("hole" in message for message in found)
    assert folder.is_dir()
