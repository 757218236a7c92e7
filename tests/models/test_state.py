"""Weights from files, whatever script saved them: the network computes what the saved one computed, or one line."""

import copy
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xairank.errors import UserError
from xairank.models.sources import load_weights
from xairank.models.state import fit_state, read_state

WHAT = "model.name=small"


class Small(nn.Module):
    """Layers whose names are also what training scripts call the whole network: ``model``, ``net``."""

    def __init__(self, n_classes=3, width=8):
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU())
        self.net = nn.Conv2d(width, width, 3)
        self.fc = nn.Linear(width, n_classes)

    def forward(self, images):
        return self.fc(self.net(self.model(images)).relu().mean(dim=(2, 3)))


def small(seed, **options):
    """A network with random weights and statistics of batch norm that are not those of a new one."""
    torch.manual_seed(seed)
    network = Small(**options)
    network.model[1].running_mean.normal_()
    network.model[1].running_var.uniform_(0.5, 2)
    network.model[1].num_batches_tracked.fill_(17)
    return network.eval()


@pytest.fixture
def saved():
    return small(0)


@pytest.fixture
def images():
    return torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(2))


def fitted(path, network=None):
    """Another network with the file's weights, and the names of the tensors that it did not use."""
    network = network or small(1)
    unused = fit_state(network, read_state(path, "model.weights"), f"model.weights={path}", WHAT)
    return network, unused


def refusal(path, network=None):
    """The line by which the file is refused; the network stays as it was."""
    network = network or small(1)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UserError) as caught:
        fitted(path, network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"model.weights={path}: ")
    return message.removeprefix(f"model.weights={path}: ")


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


FORMS = {
    "as it is": lambda state: state,
    "an ordered dictionary": OrderedDict,
    "of DataParallel": lambda state: prefixed("module.", state),
    "of a wrapper that calls it model": lambda state: prefixed("model.", state),
    "of torch.compile": lambda state: prefixed("_orig_mod.", state),
    "of torch.compile in DistributedDataParallel": lambda state: prefixed("module._orig_mod.", state),
    "of Lightning": lambda state: {
        "epoch": 3,
        "global_step": 12,
        "state_dict": prefixed("model.", state),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        "hyper_parameters": {"lr": 1e-3},
    },
    "of Lightning, compiled": lambda state: {"state_dict": prefixed("model._orig_mod.", state)},
    **{
        f"under {key}": lambda state, key=key: {"epoch": 3, key: state, "best": 0.9}
        for key in ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights")
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_the_outputs_are_those_of_the_network_that_was_saved(saved, images, tmp_path, form):
    path = tmp_path / "mine.pth"
    torch.save(FORMS[form](saved.state_dict()), path)
    network, unused = fitted(path)
    assert unused == []
    assert torch.equal(network(images), saved(images))
    assert not torch.equal(small(1)(images), saved(images))


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_a_wrapper_s_own_state_dict(saved, images, tmp_path, wrap):
    torch.save(wrap(saved).state_dict(), tmp_path / "mine.pt")
    network, unused = fitted(tmp_path / "mine.pt")
    assert unused == []
    assert torch.equal(network(images), saved(images))


@pytest.mark.parametrize("prefix", ["", "model.", "backbone.model."])
def test_safetensors(saved, images, tmp_path, prefix):
    save_file(prefixed(prefix, saved.state_dict()), tmp_path / "mine.safetensors")
    network, unused = fitted(tmp_path / "mine.safetensors")
    assert unused == []
    assert torch.equal(network(images), saved(images))


@pytest.mark.parametrize(
    ("prefix", "extra"),
    [
        ("model.", {"criterion.weight": 3, "ema.decay": 1}),
        ("", {"criterion.weight": 3}),
        ("model.", {"loss.head.weight": 2, "loss.head.bias": 2}),
    ],
)
def test_what_is_not_the_network_s_is_named(saved, images, tmp_path, prefix, extra):
    others = {name: torch.ones(size) for name, size in extra.items()}
    torch.save({"state_dict": {**others, **prefixed(prefix, saved.state_dict())}}, tmp_path / "mine.ckpt")
    network, unused = fitted(tmp_path / "mine.ckpt")
    assert unused == list(extra)
    assert torch.equal(network(images), saved(images))


def test_of_a_network_and_its_moving_average_the_network_is_taken(saved, images, tmp_path):
    average = small(5).state_dict()
    both = {**prefixed("ema_model.module.", average), **prefixed("model.", saved.state_dict())}
    torch.save(both, tmp_path / "mine.pth")
    network, unused = fitted(tmp_path / "mine.pth")
    assert torch.equal(network(images), saved(images))
    assert unused == list(prefixed("ema_model.module.", average))


def test_counters_of_batch_norm_may_be_missing(saved, images, tmp_path):
    state = {name: tensor for name, tensor in saved.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    network, _ = fitted(tmp_path / "old.pth")
    assert torch.equal(network(images), saved(images))


def test_weights_of_half_precision_become_those_of_the_network(saved, images, tmp_path):
    torch.save(copy.deepcopy(saved).half().state_dict(), tmp_path / "half.pth")
    network, _ = fitted(tmp_path / "half.pth")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert torch.equal(network(images), copy.deepcopy(saved).half().float()(images))


def test_another_number_of_classes(tmp_path):
    torch.save(small(0, n_classes=5).state_dict(), tmp_path / "mine.pth")
    assert refusal(tmp_path / "mine.pth") == (
        "weights of a classifier of 5 classes, expected 3; give model.classes the 5 names in the order of its outputs, "
        "or the weights of another network"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {"other.weight": torch.ones(3)}, "10 of 11 tensors missing, first model.0.weight"),
        (lambda state: {**state, "net.weight": torch.ones(8, 8, 5, 5)}, "1 of 11 tensors of another shape, first net."),
        (lambda state: {**state, "fc.lora": torch.ones(3)}, "1 of 11 tensors unknown, first fc.lora"),
        (lambda state: {name: state[name] for name in state if name != "fc.bias"}, "1 of 11 tensors missing, first fc"),
    ],
)
def test_another_network(saved, tmp_path, change, message):
    torch.save(change(saved.state_dict()), tmp_path / "mine.pth")
    found = refusal(tmp_path / "mine.pth")
    assert found.startswith(f"not weights of {WHAT}: {message}")
    assert found.endswith("give the file of this network, or name the network of this file")


def test_a_wider_network_is_no_other_number_of_classes(tmp_path):
    torch.save(small(0, width=16).state_dict(), tmp_path / "mine.pth")
    assert "not weights of model.name=small: 9 of 11 tensors of another shape" in refusal(tmp_path / "mine.pth")


def test_a_pickled_module_is_not_loaded(saved, tmp_path):
    torch.save(saved, tmp_path / "mine.pth")
    assert refusal(tmp_path / "mine.pth") == (
        "holds a pickled tests.models.test_state.Small, which is not loaded, as a pickle can run any code; save "
        "torch.save(model.state_dict(), FILE) where the network was made"
    )


class Malicious:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (open, (str(self.place), "w"))


def test_no_code_of_a_file_runs(tmp_path):
    torch.save({"state_dict": Malicious(tmp_path / "run")}, tmp_path / "mine.pth")
    assert "holds a pickled" in refusal(tmp_path / "mine.pth")
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_torchscript_archive(saved, images, tmp_path):
    torch.jit.trace(saved, images).save(tmp_path / "mine.pt")
    assert refusal(tmp_path / "mine.pt").startswith("a TorchScript archive, in which no layer can be found; expected a")


def save_before_torch_1_6(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("save", "name"),
    [(torch.save, "mine.pth"), (save_before_torch_1_6, "mine.pth"), (save_file, "mine.safetensors")],
)
def test_a_truncated_file(saved, images, tmp_path, save, name):
    path = tmp_path / name
    save(saved.state_dict(), path)
    assert torch.equal(fitted(path)[0](images), saved(images))
    whole = path.read_bytes()
    for size in (*range(0, 600, 13), *range(600, len(whole) - 1, 211), len(whole) - 100):
        path.write_bytes(whole[:size])
        # A pickle that ends within the name of a class is taken for one of another class.
        assert refusal(path).startswith(("is damaged or no file of weights; expected a whole state", "holds a pickled"))


@pytest.mark.parametrize("name", ["mine.pth", "mine.safetensors", "mine.ckpt"])
@pytest.mark.parametrize("content", [b"no weights\n", b"\x80\x02", b"PK\x03\x04", b"version https://git-lfs\n" * 9])
def test_something_else(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith("is damaged or no file of weights")


def test_no_file(tmp_path):
    assert refusal(tmp_path / "no.pth") == "no such file; give the path of a .safetensors or .pth file"
    assert refusal(tmp_path).startswith("no such file")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (torch.ones(3), "Tensor"),
        ([torch.ones(3)], "list"),
        ({}, "a dictionary of "),
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "a dictionary of epoch, optimizer"),
        ({"state_dict": {"fc.weight": [1.0, 2.0]}}, "a dictionary of state_dict"),
    ],
)
def test_no_state_dict(tmp_path, content, found):
    torch.save(content, tmp_path / "mine.pth")
    assert refusal(tmp_path / "mine.pth") == (
        f"found {found}; expected a state dict, a name and a tensor each; save model.state_dict()"
    )


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"name": "resnet18", "factory": None}, "model.name=resnet18"),
        ({"name": None, "factory": "mine:build"}, "model.factory=mine:build"),
    ],
)
def test_messages_name_the_network_as_the_user_did(tmp_path, options, what):
    torch.save({"other": torch.ones(1)}, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=f"not weights of {what}: "):
        load_weights(small(0), options, tmp_path / "mine.pth")
