"""First mistakes first, once, before anything slow."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import write_category
from tests.test_config import composed
from tests.training import QUICK
from xairank.errors import UserError
from xairank.experiment import preflight
from xairank.experiment.preflight import check_run, identify_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(monkeypatch, tmp_path):
    """An empty working folder with a tiny category in ``data/nuts``; no weights here, no network."""
    from xairank.models import weights

    write_category(tmp_path / "data" / "nuts", good=10, defects=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "find_weights", lambda name: None)
    monkeypatch.setattr(weights, "are_reachable", lambda name, timeout=3: False)
    preflight._check_once.cache_clear()
    return tmp_path


def check(*overrides):
    check_run(composed(*QUICK, *overrides), Path("multirun/test/seed=1"))


def mistake(*overrides):
    with pytest.raises(UserError) as caught:
        check(*overrides)
    return str(caught.value)


def test_a_run_without_a_mistake_passes_and_leaves_nothing(place):
    check()
    assert not (place / "multirun").exists()


def test_the_cheapest_mistake_comes_first(place):
    mistakes = {
        "model.beta=-1": "model.beta=-1 is not allowed",
        "data.root=nowhere": "data.root=nowhere: no such folder",
        "attribution.methods.integrated_gradients.rule=simpson": "attribution.methods.integrated_gradients: rule=",
        "+evaluation.metrics.topk_iou.k=1": "evaluation.metrics.topk_iou: ",
        "model.encoder=resnet10": "model.encoder=resnet10: not a model",
        "trainer.accelerator=mps": "trainer.accelerator=mps: ",
    }
    for number, message in enumerate(mistakes.values()):
        assert mistake(*list(mistakes)[number:]).startswith(message)


def test_missing_data_and_missing_weights_are_said_together(place):
    text = mistake("data.root=nowhere", "model.pretrained=true")
    assert text.startswith("data.root=nowhere: no such folder")
    assert "; also model.pretrained=true: the weights of resnet10t are not on this machine" in text


def test_missing_weights_alone(place):
    assert mistake("model.pretrained=true").startswith("model.pretrained=true: the weights of resnet10t are not on")


def test_weights_that_are_here_or_can_be_downloaded_pass(place, monkeypatch):
    from xairank.models import weights

    monkeypatch.setattr(weights, "find_weights", lambda name: Path("weights"))
    check("model.pretrained=true")
    preflight._check_once.cache_clear()
    monkeypatch.setattr(weights, "find_weights", lambda name: None)
    monkeypatch.setattr(weights, "are_reachable", lambda name, timeout=3: True)
    check("model.pretrained=true")


def test_an_encoder_without_a_feature_map_is_found_before_training(place):
    text = mistake("model.encoder=pit_ti_224", "data.image_size=224")
    assert text.startswith("model.encoder: PoolingVisionTransformer gives features")


def test_a_full_disk_is_found_before_training(place, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50 * 2**20))
    assert "50 MiB free on this disk; expected at least 200 MiB" in mistake()


def test_a_file_in_the_place_of_results_is_found(place):
    (place / "multirun").write_text("")
    assert "multirun: is a file; expected the folder of results" in mistake()


def test_runs_that_differ_in_seed_and_fold_are_checked_once(place, monkeypatch):
    calls = []
    original = preflight._check_data
    monkeypatch.setattr(preflight, "_check_data", lambda options: calls.append(1) or original(options))
    for seed in range(3):
        check(f"seed={seed}", f"data.fold={seed}")
    assert len(calls) == 1
    check("data.image_size=64")
    assert len(calls) == 2


def test_weights_are_told_apart_by_content(place):
    model = {"encoder": "resnet10t", "pretrained": True, "encoder_weights": None}
    assert identify_weights(model) == "pretrained:resnet10t"
    assert identify_weights({**model, "pretrained": False}) is None
    path = place / "w.pth"
    path.write_bytes(b"abc")
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert identify_weights({**model, "encoder_weights": str(path)}) == sha
    path.write_bytes(b"abcd")
    assert identify_weights({**model, "encoder_weights": str(path)}) != sha
    with pytest.raises(UserError, match=r"model.encoder_weights=gone.pth: no such file"):
        identify_weights({**model, "encoder_weights": "gone.pth"})


def test_missing_data_is_found_without_torch(place):
    code = (
        "import sys; from xairank.experiment import preflight\n"
        "options = dict(category='nuts', root='nowhere', synthetic=None, download=False, mask_threshold=None)\n"
        "try: preflight._check_data(options)\n"
        "except Exception as error: print(error)\n"
        "print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert found.stdout.startswith("data.root=nowhere: no such folder")
    assert found.stdout.splitlines()[-1] == "False", found.stderr


def test_ten_seeds_without_data_and_network_end_in_one_line(tmp_path):
    """The paper's command on a fresh machine; the proxy that does not exist keeps it from any network."""
    offline = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    started = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-m", "xairank.train", f"seed={','.join(map(str, range(42, 52)))}", "-m"],
        cwd=tmp_path,
        env={**os.environ, **offline, "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert found.stderr.startswith("xairank: error: data.root=data/mvtec: no such folder")
    assert "also model.pretrained=true: the weights of efficientnet_b0" in found.stderr
    assert found.stderr.endswith("(all 10 runs of the sweep)\n")
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""
    assert not (tmp_path / "multirun").exists()
    assert time.monotonic() - started < 60  # six seconds on an idle machine
