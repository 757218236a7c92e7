import io
import tarfile

import pytest

from xairank.data.archive import extract_category
from xairank.errors import UserError


def pack(path, *members, mode="w:xz"):
    """An archive of (name, content or a changed TarInfo)."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                for key, value in content.items():
                    setattr(member, key, value)
                archive.addfile(member)
    return path


GOOD = ("nuts/train/good/000.png", b"image")


def test_only_the_category_s_folders_are_unpacked(tmp_path):
    archive = pack(
        tmp_path / "a.tar.xz",
        ("./nuts/test/crack/000.png", b"crack"),
        ("bolts/test/crack/000.png", b"other"),
        ("nuts/license.txt", b"licence"),
        GOOD,
    )
    folder = extract_category(archive, "nuts", tmp_path / "data")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {"test/crack/000.png": b"crack", "train/good/000.png": b"image"}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["nuts"]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("/etc/nuts/test/x.png", b"x"), "points out of the folder"),
        (("nuts/test/../../../x.png", b"x"), "points out of the folder"),
        (("C:evil.png", b"x"), "points out of the folder"),
        (("C:/nuts/test/x.png", b"x"), "points out of the folder"),
        (("c:nuts/test/x.png", b"x"), "points out of the folder"),
        (("./D:/nuts/test/x.png", b"x"), "points out of the folder"),
        (("nuts/test/C:x.png", b"x"), "points out of the folder"),
        (("nuts\\test\\x.png", b"x"), "points out of the folder"),
        (("nuts/test/x.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "is a link or a device"),
        (("nuts/test/x.png", {"type": tarfile.LNKTYPE, "linkname": "../../x"}), "is a link or a device"),
        (("nuts/test/x.png", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}), "is a link or a device"),
        (("nuts/test/x.png", {"type": tarfile.FIFOTYPE}), "is a link or a device"),
        (("nuts/test/x.png", b"x" * 5000), "unpacks to more than 1,000 bytes"),
    ],
)
def test_hostile_members_are_refused_and_nothing_is_left(tmp_path, member, message):
    archive = pack(tmp_path / "a.tar.xz", GOOD, member)
    with pytest.raises(UserError, match=message):
        extract_category(archive, "nuts", tmp_path / "data", largest=1000)
    assert not any((tmp_path / "data").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.xz", "data"]


def test_a_damaged_archive_is_named_and_nothing_is_left(tmp_path):
    archive = pack(tmp_path / "a.tar.xz", GOOD, ("nuts/test/x.png", bytes(range(256)) * 400))
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(UserError, match=r"a.tar.xz: cannot be unpacked"):
        extract_category(archive, "nuts", tmp_path / "data")
    assert not any((tmp_path / "data").iterdir())


def test_an_archive_without_the_category_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no folder bolts"):
        extract_category(pack(tmp_path / "a.tar", GOOD, mode="w"), "bolts", tmp_path / "data")


def test_what_is_refused_leaves_nothing(tmp_path):
    def refuse(folder):
        assert (folder / "train/good/000.png").read_bytes() == b"image"
        raise UserError("not the original")

    with pytest.raises(UserError, match="not the original"):
        extract_category(pack(tmp_path / "a.tar", GOOD, mode="w"), "nuts", tmp_path / "data", accept=refuse)
    assert not any((tmp_path / "data").iterdir())


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "data" / "nuts").mkdir(parents=True)
    with pytest.raises(UserError, match="already exists"):
        extract_category(pack(tmp_path / "a.tar", GOOD, mode="w"), "nuts", tmp_path / "data")
