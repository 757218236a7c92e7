"""Where the pretrained weights of an encoder are."""

from pathlib import Path

import requests
import timm
from huggingface_hub import hf_hub_url, try_to_load_from_cache

_FILES = ("model.safetensors", "pytorch_model.bin")


def find_weights(name: str) -> Path | None:
    """The file of the pretrained weights on this machine, or None where they have not been downloaded."""
    place = _hub_name(name)
    for file in _FILES:
        if place is None:
            break
        found = try_to_load_from_cache(place, file)
        if isinstance(found, str):
            return Path(found)
    return None


def are_reachable(name: str, timeout: float = 3) -> bool:
    """Whether the pretrained weights can be downloaded.

    Args:
        name: A model of timm.
        timeout: Seconds to wait for an answer.
    """
    place = _hub_name(name)
    if place is None:
        return False
    try:
        return requests.head(hf_hub_url(place, _FILES[0]), timeout=timeout).status_code < 400
    except requests.RequestException:
        return False


def _hub_name(name: str) -> str | None:
    cfg = timm.get_pretrained_cfg(name)
    return cfg.hf_hub_id if cfg else None
