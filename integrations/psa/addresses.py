"""From whatever was pasted to the address of a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from integrations.psa.decoding import clean

#: "https://", also twice, as happens when an address is pasted after a prefilled scheme.
_SCHEMES: Final = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)*", re.IGNORECASE)
#: A host's name or number, and the port after it.
_HOST: Final = re.compile(
    r"(?=.*\w)(?P<host>\[[0-9a-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?", re.IGNORECASE
)


OWN_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The parts of an address that say where a server is; path, query and user are dropped.

    `scheme` is `http` or `https` (also where none or another was typed). `host` is in lower case,
    without the dot that may end it; `port` is "" where none was typed or the scheme's own: two
    spellings of one server are one. `names_a_host`: False when what stands in the place of the
    host can't be one (such as blanks or a bare path); `host` is then that text.
    """

    scheme: str
    host: str
    port: str = ""
    names_a_host: bool = True

    @property
    def root(self) -> str:
        """`scheme://host:port`, without a slash at its end."""
        return f"{self.scheme}://{self.place}"

    @property
    def place(self) -> str:
        """`host:port`: the same for both schemes."""
        return f"{self.host}:{self.port}" if self.port else self.host


def read_address(typed: str) -> ServerAddress:
    """Read the server's address out of what a person pasted; never raises."""
    text = clean(typed).strip("/ ")
    schemes = _SCHEMES.match(text)
    scheme = (schemes["scheme"] if schemes else None) or "https"
    rest = text[schemes.end() :] if schemes else text
    place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].casefold()
    found = _HOST.fullmatch(place)
    scheme = "http" if scheme.casefold() == "http" else "https"
    if found is None:
        return ServerAddress(scheme, place, names_a_host=False)
    port = (found["port"] or "").lstrip("0")
    return ServerAddress(
        scheme, found["host"].rstrip("."), "" if port == OWN_PORTS[scheme] else port
    )
