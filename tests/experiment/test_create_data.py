import yaml
from PIL import Image

from xairank.config import CONFIGURATION
from xairank.experiment.wiring import create_data


def test_what_a_user_should_know_of_the_data_is_printed(category, capsys):
    Image.open(category / "test/good/001.png").save(category / "test/good/100.png", compress_level=0)
    path = category / "ground_truth/hole/001_mask.png"
    Image.open(path).point(lambda value: value // 3).save(path)
    options = yaml.safe_load((CONFIGURATION / "data/mvtec.yaml").read_text(encoding="utf-8"))
    options |= {"root": str(category.parent), "category": category.name, "image_size": 48, "crop": "none"}
    data = create_data({"seed": 0, "data": {**options, "mask_threshold": 127}})
    assert capsys.readouterr().out.splitlines() == [f"Note: {notice}" for notice in data.notices]
    assert [notice.split(" (")[0] for notice in data.notices] == [
        "1 of 12 masks is empty at data.mask_threshold=127",
        "2 near-duplicate images in 1 group, each on one side of the split",
    ]
