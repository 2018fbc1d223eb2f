"""The ports of a desk: who listens where, and whether it is us."""

import json
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from omnidesk.config import Settings, SettingsError

PATIENCE_S = 3.0


def mail_ports(settings: Settings) -> dict[str, int]:
    """The protocols by which mail is taken, and their ports."""
    ports = {"lmtp": settings.lmtp_port, "smtp": settings.smtp_port}
    return {protocol: port for protocol, port in ports.items() if port}


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket. Raises SettingsError when the port cannot be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(found[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(found[4])
    except OSError as error:
        raise SettingsError(f"cannot listen at {host}, port {port}: {error.strerror or 'unknown host'}") from None
    return bound


def check_free(settings: Settings) -> None:
    """Raises SettingsError naming the first port that somebody else has."""
    wanted = [(settings.host, settings.port), *((settings.mail_host, port) for port in mail_ports(settings).values())]
    for host, port in wanted:
        listening_socket(host, port).close()


def reachable(host: str) -> str:
    """Where a listener at this address is called from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def answers(host: str, port: int) -> bool:
    """Does our API live there?"""
    connection = HTTPConnection(host, port, timeout=PATIENCE_S)
    with suppress(OSError, HTTPException, ValueError):
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        return answer.status == 200 and json.loads(answer.read(1000)) == {"status": "ok"}
    connection.close()
    return False
