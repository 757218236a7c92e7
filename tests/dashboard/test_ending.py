"""What ends an explanation: nobody looks at it any more, or the server ends."""

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

pytest.importorskip("panel")

from tests.dashboard.serving import OURS, configuration, free_port
from tests.explaining import write_place
from xairank.dashboard import server
from xairank.dashboard.dropper import Upload
from xairank.dashboard.networks import Networks
from xairank.dashboard.page import Desk, Page
from xairank.dashboard.presence import Places, presence_of
from xairank.dashboard.sources import find_sources
from xairank.dashboard.turns import Turns
from xairank.stopping import StoppedError, stoppable

HOLE = "data/nuts/test/hole/000.png"


def test_an_explanation_that_nobody_waits_for_is_ended(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    entries = {"long": {"_target_": "xairank.attribution.SmoothGrad", "n_samples": 10_000}}
    looked = []

    def is_there():
        looked.append(page._status.object)
        return len(looked) < 3

    async def ask():
        desk = Desk(lambda: find_sources(configuration(*OURS), set()), entries, Networks("cpu", "auto"), Turns())
        made = Page(desk, is_there)
        await made._subject._take_image(Upload("000.png", (tmp_path / HOLE).read_bytes()))
        return made

    page = asyncio.run(ask())
    asyncio.run(page._answer(None))
    assert "Explaining: step 1 of 2" in looked[1]
    assert "Stopped. What was finished is shown." in page._status.object
    assert page._results._explained == {}
    assert (page._explain.disabled, page._stop.disabled) == (False, True)


@pytest.mark.parametrize(
    ("connections", "since", "destroyed", "there"),
    [(1, 9_000, False, True), (0, 1_000, False, True), (0, 3_000, False, False), (1, 0, True, False)],
)
def test_who_is_there_has_a_connection_or_had_one_a_moment_ago(connections, since, destroyed, there):
    session = SimpleNamespace(
        connection_count=connections, milliseconds_since_last_unsubscribe=since, destroyed=destroyed
    )
    assert presence_of(SimpleNamespace(session_context=SimpleNamespace(session=session)))() is there
    assert not presence_of(SimpleNamespace(session_context=None))()


def test_a_place_is_free_when_who_took_it_has_gone():
    places, there = Places(2), {"first", "second", "third"}

    def come(name):
        return places.take(lambda: name in there)

    assert [come("first"), come("second"), come("third")] == [True, True, False]
    there.remove("first")
    assert come("third")
    assert not come("first")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server(tmp_path, monkeypatch, number):
    monkeypatch.chdir(write_place(tmp_path))
    opened = server.open_server

    def open_and_signal(config, given):
        made = opened(config, given)
        made.io_loop.add_callback(os.kill, os.getpid(), number)
        return made

    monkeypatch.setattr(server, "open_server", open_and_signal)
    asyncio.set_event_loop(asyncio.new_event_loop())
    config = configuration(*OURS, f"port={free_port()}")
    with stoppable(), pytest.raises(StoppedError) as ended:
        server.serve(config, {"model"})
    assert ended.value.signal == number
