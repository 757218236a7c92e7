"""Serves the dashboard until it is ended."""

import errno
import logging
import signal
import socket
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Any

import panel as pn
from bokeh.server.server import Server

from xairank.console import print_line
from xairank.dashboard.dropper import LARGEST_MESSAGE
from xairank.dashboard.networks import Networks
from xairank.dashboard.options import make_method
from xairank.dashboard.page import Desk, Page
from xairank.dashboard.presence import Places, presence_of
from xairank.dashboard.sources import check_sources, find_sources
from xairank.dashboard.style import Quiet
from xairank.dashboard.turns import Turns
from xairank.errors import UserError

Config = dict[str, Any]
MOST_PAGES = 16  # at a time; each holds its image, of up to 270 MB
_FULL = f"""{{% extends base %}}{{% block contents %}}
<p>{MOST_PAGES} pages of this dashboard are open, as many as it serves; close one, then reload this page.</p>
{{% endblock %}}"""
_EVERYONE = ("0.0.0.0", "::", "")


def serve(config: Config, given: Collection[str]) -> None:
    """Serves until a signal interrupts it; the arguments and errors are those of :func:`open_server`."""
    interrupted = signal.getsignal(signal.SIGINT)
    server = open_server(config, given)
    signal.signal(signal.SIGINT, interrupted)  # Panel has put its own there
    print_line(f"Dashboard: http://{_reachable(config['host'])}:{config['port']} (Ctrl-C ends it)")
    server.start()
    try:
        server.io_loop.asyncio_loop.run_forever()  # type: ignore[attr-defined]
    finally:
        server.stop()


def open_server(config: Config, given: Collection[str]) -> Server:
    """A server that listens, for the event loop of this thread.

    Args:
        config: Of ``python -m xairank.dashboard``, valid and with plain types.
        given: The keys that are overridden.

    Raises:
        UserError: There is no network to choose, that of the command line cannot be built, a method cannot be made, or
            the address cannot be taken.
    """
    _check_host(config["host"], allow_others=config["allow_others"])
    attribution = config["attribution"]
    for name, entry in attribution["methods"].items():
        make_method(f"attribution.methods.{name}", entry, {})
    sources = partial(find_sources, config, given)
    found, networks = sources(), Networks(config["device"], attribution["batch_limit"])
    check_sources(found, config["folder"])
    if config["model"]["source"]:
        networks.check(next(iter(found.values()))())
    desk = Desk(sources, attribution["methods"], networks, Turns())
    pn.extension("plotly", design=Quiet)
    for noisy in ("tornado.access", "bokeh", "panel"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    host, port, places = config["host"], config["port"], Places(MOST_PAGES)

    def page() -> pn.Template:
        is_there = presence_of(pn.state.curdoc)
        if not places.take(is_there):
            return pn.Template(_FULL)
        made = Page(desk, is_there)
        pn.state.on_session_destroyed(lambda _: made.close())
        return made.layout()

    try:
        server: Server = pn.serve(
            {"/": page},
            address=host,
            port=port,
            websocket_origin=_origins(host, port),
            websocket_max_message_size=LARGEST_MESSAGE,
            http_server_kwargs={"max_body_size": LARGEST_MESSAGE},
            show=False,
            start=False,
            verbose=False,
        )
    except OSError as error:
        raise _refused(error, host, port) from None
    return server


def _check_host(host: str, *, allow_others: bool) -> None:
    """Checks that a page without a password is opened to other machines on purpose alone.

    Raises:
        UserError: It is not.
    """
    if host != "localhost" and not _is_loopback(host) and not allow_others:
        raise UserError(
            f"host={host}: other machines could open the page, which has no password; add allow_others=true where you "
            "trust them, or leave out host="
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def _origins(host: str, port: int) -> list[str]:
    """The addresses from which a browser may open a connection: no page of another site can."""
    names = [host] if host not in _EVERYONE else [socket.gethostname(), socket.getfqdn(), *_own_addresses()]
    return [f"{name}:{port}" for name in dict.fromkeys([*names, "localhost", "127.0.0.1"])]


def _own_addresses() -> list[str]:
    """Those by which others reach this machine, as far as it knows them."""
    found: list[str] = []
    with suppress(OSError):
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # sends nothing, but chooses the address from which it would be sent
        found.append(one.getsockname()[0])
    return found


def _reachable(host: str) -> str:
    return socket.gethostname() if host in _EVERYONE else host


def _refused(error: OSError, host: str, port: int) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(f"port={port}: is taken, perhaps by another dashboard; choose another with port={port + 1}")
    if error.errno == errno.EACCES:
        return UserError(f"port={port}: is reserved for the system; choose one of at least 1024, such as port=5006")
    return UserError(f"host={host}: cannot be opened ({error.strerror or error}); choose host=localhost")
