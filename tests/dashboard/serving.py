"""The dashboard in a thread of the tests, for a network and runs in a folder."""

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.explaining import NETWORK
from xairank.config import CONFIGURATION, require_keys, validate
from xairank.experiment.ranked_config import keys_of

OURS = [word for word in NETWORK if not word.startswith("attribution")]


def configuration(*overrides):
    """The configuration of ``python -m xairank.dashboard``, as the command has it."""
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        config = OmegaConf.to_container(compose("dashboard", list(overrides)), resolve=True)
    require_keys(config)
    validate(config)
    return config


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def serving(folder, *overrides):
    """The address of a dashboard that runs in ``folder``, with the network that is there."""
    from xairank.dashboard.server import open_server

    port, home = free_port(), Path.cwd()
    given = [*OURS, f"port={port}", *overrides]
    ready, failed, loops = threading.Event(), [], []

    def serve():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loops.append(loop)
        try:
            server = open_server(configuration(*given), keys_of(given))
            server.start()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()
        loop.run_forever()
        server.stop()

    thread = threading.Thread(target=serve, daemon=True)
    os.chdir(folder)
    try:
        thread.start()
        ready.wait()
        assert not failed, failed
        yield f"http://localhost:{port}"
    finally:
        os.chdir(home)
        loops[0].call_soon_threadsafe(loops[0].stop)
        thread.join()
