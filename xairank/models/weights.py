"""ImageNet weights of timm encoders: where they are on this machine, and where they can be downloaded.

Looked for in this order, without the network: ``data/weights/<encoder>.<tag>.safetensors`` (or ``.pth``; the tag may be
left out if the encoder was named without it), the cache of Hugging Face, the cache of torch.hub. ``<tag>`` says which
weights of the encoder they are, such as ``ra_in1k``; without one timm's default counts.
"""

import os
import re
import threading
import time
from pathlib import Path
from queue import Empty, Queue

import requests
import timm
import torch
from filelock import FileLock
from huggingface_hub import constants, try_to_load_from_cache
from timm.models import PretrainedCfg, get_pretrained_cfg

from xairank.download import Mirror, UnreachableError, fetch_first
from xairank.errors import UserError
from xairank.files import sha256
from xairank.progress import Monitor

FOLDER = Path("data/weights")  # in the working folder
SUFFIXES = (".safetensors", ".pth")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def find_weights(name: str) -> Path | None:
    """The file with an encoder's pretrained weights on this machine; None if there is none. Uses no network.

    Args:
        name: A timm model, with or without tag.
    """
    config = _config(name)
    stems = dict.fromkeys((_full_name(config, name), name))
    places = [FOLDER / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
    if config and config.hf_hub_id:
        repository, revision = _repository(config)
        names = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        cached = (try_to_load_from_cache(repository, file, revision=revision) for file in names)
        places += [Path(path) for path in cached if isinstance(path, str)]
    if config and (release := _release(config)):
        places.append(Path(torch.hub.get_dir()) / "checkpoints" / release.rpartition("/")[2])
    return next((path for path in places if path.is_file()), None)


def download_weights(name: str, *, file: Path | None = None, monitor: Monitor | None = None) -> Path:
    """Downloads an encoder's pretrained weights from Hugging Face or, where timm knows one, from its release.

    ``HF_ENDPOINT`` names another host than huggingface.co, as for all tools of Hugging Face.

    Args:
        name: A timm model, with or without tag.
        file: Where to save them, with the suffix of what is downloaded; None: in ``data/weights``.
        monitor: Shows progress; None shows nothing.

    Raises:
        UserError: There are no such weights, or no mirror gives them.
    """
    monitor = monitor or Monitor()
    mirrors = _mirrors(name, file)
    if not mirrors:
        raise UserError(
            f"model.encoder={name}: timm knows no pretrained weights for it; choose another encoder or "
            "model.pretrained=false"
        )
    if file:
        return _download(name, mirrors, monitor)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / ".download.lock"):  # runs of a sweep may start at once
        return find_weights(name) or _download(name, mirrors, monitor)


def _download(name: str, mirrors: list[Mirror], monitor: Monitor) -> Path:
    monitor.message(f"Downloading the weights of {name}")
    try:
        path = fetch_first(mirrors, monitor)
    except UnreachableError as error:
        raise UserError(
            f"model.pretrained=true: no mirror gives the weights of {name} ({error}); connect to the network, copy "
            f"{mirrors[0].path} from another machine, set model.encoder_weights=FILE, or train from scratch with "
            "model.pretrained=false"
        ) from None
    address = next(mirror.address for mirror in mirrors if mirror.path == path)
    # The file names of timm's releases end with the beginning of their SHA-256.
    known = re.search(r"-([0-9a-f]{8,})\.\w+$", address)
    if known and not sha256(path).startswith(known.group(1)):
        path.unlink()
        raise UserError(f"{address}: gives a file with another SHA-256 than its name says; run again")
    return path


def are_reachable(name: str, timeout: float = 3) -> bool:
    """Whether a mirror of an encoder's pretrained weights answers: one quick request to each, all at once.

    Args:
        name: A timm model, with or without tag.
        timeout: Seconds to wait in all.
    """
    answers: Queue[bool] = Queue()

    def ask(address: str) -> None:
        try:
            answers.put(requests.head(address, timeout=timeout).status_code < 400)
        except requests.RequestException:
            answers.put(False)

    deadline = time.monotonic() + timeout
    mirrors = _mirrors(name)
    for mirror in mirrors:  # threads, as looking up a name has no timeout of its own
        threading.Thread(target=ask, args=(mirror.address,), daemon=True).start()
    for _ in mirrors:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except Empty:
            return False
    return False


def _mirrors(name: str, file: Path | None = None) -> list[Mirror]:
    config = _config(name)
    if config is None:
        return []
    target = file or FOLDER / f"{_full_name(config, name)}{SUFFIXES[0]}"
    mirrors = []
    if config.hf_hub_id and not constants.HF_HUB_OFFLINE:
        repository, revision = _repository(config)
        host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        address = f"{host}/{repository}/resolve/{revision or 'main'}/{config.hf_hub_filename or HUB_FILES[0]}"
        mirrors.append(Mirror(address, target.with_suffix(Path(address).suffix)))
    if release := _release(config):
        mirrors.append(Mirror(release, target.with_suffix(Path(release).suffix)))
    return mirrors


def _config(name: str) -> PretrainedCfg | None:
    return get_pretrained_cfg(name) if timm.is_model(name.partition(".")[0]) else None


def _full_name(config: PretrainedCfg | None, name: str) -> str:
    return f"{name.partition('.')[0]}.{config.tag}" if config and config.tag else name


def _release(config: PretrainedCfg) -> str | None:
    """The address of the weights in a release of timm or torchvision; None where they have another format."""
    return config.url if isinstance(config.url, str) and config.url.endswith(SUFFIXES) else None


def _repository(config: PretrainedCfg) -> tuple[str, str | None]:
    """Name and revision on the hub."""
    repository, _, revision = str(config.hf_hub_id).partition("@")
    return repository, revision or None
