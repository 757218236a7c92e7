"""Where weights are found, and their download from a real HTTP server on loopback."""

import hashlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.mirror import CONTENT
from xairank.errors import UserError
from xairank.models import weights
from xairank.models.encoder import check_encoder, create_encoder
from xairank.models.weights import are_reachable, download_weights, find_weights

NAME, TAGGED = "resnet10t", "resnet10t.c3_in1k"


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """An empty working folder, empty caches, and no release to fall back to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_release", lambda config: None)


@pytest.fixture
def hub(mirror, monkeypatch):
    """A function that lets the mirror be Hugging Face, answering in one of its modes."""
    return lambda mode: monkeypatch.setenv("HF_ENDPOINT", f"{mirror.address}/{mode}/")


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def save_resnet(path):
    """Weights of the whole network, with its classifier, as timm publishes them."""
    torch.manual_seed(1)
    state = timm.create_model(NAME, pretrained=False).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return state


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(("name", "stem"), [(NAME, NAME), (NAME, TAGGED), (TAGGED, TAGGED)])
def test_a_file_placed_by_hand_is_found(tmp_path, name, stem, suffix):
    assert find_weights(name) is None
    path = put(tmp_path / "data/weights" / f"{stem}{suffix}")
    assert find_weights(name).resolve() == path


def test_weights_with_another_tag_are_not_taken(tmp_path):
    put(tmp_path / "data/weights/resnet50.safetensors")
    put(tmp_path / "data/weights/resnet50.a1_in1k.safetensors")
    assert find_weights("resnet50.tv_in1k") is None
    assert find_weights("resnet50").name == "resnet50.a1_in1k.safetensors"


def test_the_cache_of_hugging_face_is_used(tmp_path):
    repository = tmp_path / "hub" / f"models--timm--{TAGGED}"
    put(repository / "refs/main", b"abc")
    path = put(repository / "snapshots/abc/model.safetensors")
    assert find_weights(NAME) == find_weights(TAGGED) == path


def test_the_cache_of_torch_hub_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_release", lambda config: "https://example.com/releases/resnet10t-0123abcd.pth")
    path = put(tmp_path / "torch/checkpoints/resnet10t-0123abcd.pth")
    assert find_weights(NAME) == path


def test_a_download_lies_where_it_is_found(mirror, hub, tmp_path):
    hub("breaks")
    path = download_weights(NAME)
    assert path.read_bytes() == CONTENT
    assert path.as_posix() == f"data/weights/{TAGGED}.safetensors"
    assert find_weights(NAME) == path
    assert not list(tmp_path.rglob("*.part*"))


def test_a_download_to_another_file(hub, tmp_path):
    hub("whole")
    assert download_weights(NAME, file=tmp_path / "to go" / "r.safetensors").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "to go").iterdir()] == ["r.safetensors"]
    assert find_weights(NAME) is None


def test_the_release_is_the_second_mirror_and_keeps_its_format(mirror, hub, monkeypatch):
    hub("missing")
    release = f"{mirror.address}/whole/resnet10t-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    monkeypatch.setattr(weights, "_release", lambda config: release)
    path = download_weights(NAME)
    assert path.as_posix() == f"data/weights/{TAGGED}.pth"
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]
    assert find_weights(NAME) == path


def test_a_release_with_another_hash_than_its_name_is_deleted(mirror, hub, monkeypatch):
    hub("missing")
    monkeypatch.setattr(weights, "_release", lambda config: f"{mirror.address}/whole/resnet10t-01234567.pth")
    with pytest.raises(UserError, match=r"resnet10t-01234567.pth: gives a file with another SHA-256"):
        download_weights(NAME)
    assert find_weights(NAME) is None


def test_two_at_once_download_once(mirror, hub):
    hub("whole")
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: download_weights(NAME), range(2)))
    assert paths[0] == paths[1]
    assert len(mirror.requests) == 1


def test_where_no_mirror_gives_them_one_message_says_what_to_do(hub):
    hub("missing")
    with pytest.raises(UserError) as caught:
        create_encoder(NAME, pretrained=True, weights=None)
    message = str(caught.value)
    for part in ("answered 404", f"copy data/weights/{TAGGED}.safetensors", "model.encoder_weights=FILE", "=false"):
        assert part in message


def test_an_encoder_without_weights_is_named():
    with pytest.raises(UserError, match=r"model.encoder=coatnet_0_224: timm knows no pretrained weights for it"):
        download_weights("coatnet_0_224")


def test_with_hugging_face_switched_off_it_is_not_asked(mirror, hub, monkeypatch):
    hub("whole")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert not are_reachable(NAME)
    assert mirror.requests == []


@pytest.mark.parametrize(("mode", "expected"), [("whole", True), ("missing", False)])
def test_reachable_is_one_quick_request(mirror, hub, mode, expected):
    hub(mode)
    assert are_reachable(NAME) is expected
    assert mirror.requests == [(mode, "HEAD")]


def test_one_mirror_that_answers_is_enough(mirror, hub, monkeypatch):
    hub("stalls")
    monkeypatch.setattr(weights, "_release", lambda config: f"{mirror.address}/whole/x.pth")
    started = time.monotonic()
    assert are_reachable(NAME, timeout=5)
    assert time.monotonic() - started < 4


def test_a_mirror_that_does_not_answer_costs_the_timeout_only(hub):
    hub("stalls")
    started = time.monotonic()
    assert not are_reachable(NAME, timeout=0.2)
    assert time.monotonic() - started < 3


def test_without_network_nothing_is_reachable(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # does not listen
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert not are_reachable(NAME)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_encoder_loads_the_file_that_is_there_without_the_network(tmp_path, monkeypatch, suffix):
    state = save_resnet(tmp_path / "data/weights" / f"{TAGGED}{suffix}")
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("used the network"))
    loaded = create_encoder(NAME, pretrained=True, weights=None).state_dict()
    assert set(state) - set(loaded) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_an_encoder_loads_what_another_tool_has_cached_and_writes_nothing(tmp_path):
    put(tmp_path / f"hub/models--timm--{TAGGED}/refs/main", b"abc")
    state = save_resnet(tmp_path / f"hub/models--timm--{TAGGED}/snapshots/abc/model.safetensors")
    loaded = create_encoder(NAME, pretrained=True, weights=None).state_dict()
    assert torch.equal(loaded["conv1.0.weight"], state["conv1.0.weight"])
    assert [path.name for path in tmp_path.iterdir()] == ["hub"]


def test_a_damaged_file_is_named(tmp_path):
    path = put(tmp_path / f"data/weights/{TAGGED}.safetensors", b"not weights")
    with pytest.raises(UserError, match=rf"{path.name}: cannot be loaded as weights of model.encoder=resnet10t"):
        create_encoder(NAME, pretrained=True, weights=None)


def test_weights_of_another_network_are_named(tmp_path):
    save_resnet(tmp_path / "data/weights/resnet18.safetensors")
    with pytest.raises(UserError, match=r"resnet18.safetensors: cannot be loaded as weights of model.encoder=resnet18"):
        create_encoder("resnet18", pretrained=True, weights=None)


def test_a_tag_that_does_not_exist_is_named_before_anything_else():
    with pytest.raises(UserError) as caught:
        check_encoder("resnet10t.c4_in1k")
    assert str(caught.value) == (
        f"model.encoder=resnet10t.c4_in1k: timm {timm.__version__} has no weights c4_in1k of resnet10t; expected "
        "c3_in1k, or no tag"
    )
    check_encoder(TAGGED)
    check_encoder(NAME)
