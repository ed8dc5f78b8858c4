"""What of e-mail addresses and phone numbers tells a company from another one."""

from __future__ import annotations

import re
from typing import Final

#: Whoever likes has an address there, so it says nothing of a company. With its subdomains, and
#: under any country for those of `FREE_NAMES`.
FREE_MAIL: Final = frozenset(
    {
        *("aol.com", "att.net", "bellsouth.net", "bigpond.com", "bigpond.net.au", "bluewin.ch"),
        *("bt.com", "btinternet.com", "charter.net", "comcast.net", "cox.net", "duck.com"),
        *("earthlink.net", "eircom.net", "email.com", "fastmail.com", "fastmail.fm", "free.fr"),
        *("freemail.hu", "freenet.de", "gmail.com", "googlemail.com", "hey.com", "home.nl"),
        *("hotmail.com", "hushmail.com", "icloud.com", "iinet.net.au", "inbox.com", "interia.pl"),
        *("juno.com", "laposte.net", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru"),
        *("me.com", "msn.com", "naver.com", "ntlworld.com", "o2.pl", "online.de", "onet.pl"),
        *("optonline.net", "optusnet.com.au", "orange.fr", "outlook.com", "pm.me", "posteo.de"),
        *(
            "proton.me",
            "protonmail.ch",
            "protonmail.com",
            "qq.com",
            "rediffmail.com",
            "rocketmail.com",
        ),
        *("rogers.com", "sbcglobal.net", "seznam.cz", "sfr.fr", "shaw.ca", "sky.com"),
        *("sympatico.ca", "t-online.de", "talktalk.net", "telenet.be", "telus.net", "terra.com.br"),
        *("tiscali.it", "tuta.com", "tutanota.com", "uol.com.br", "verizon.net", "virgilio.it"),
        *("virginmedia.com", "wanadoo.fr", "windstream.net", "wp.pl", "xs4all.nl", "xtra.co.nz"),
        *("ymail.com", "ziggo.nl", "zoho.com", "zonnet.nl", "126.com", "163.com"),
    }
)
FREE_NAMES: Final = frozenset({"gmx", "hotmail", "live", "outlook", "web", "yahoo", "yandex"})
#: What people type who have no address: kept free for examples (RFC 2606), nobody has mail there.
RESERVED: Final = re.compile(r"(^|\.)(example\.(com|net|org)|invalid|localhost)$")
COUNTRY: Final = re.compile(r"(com|co|[a-z]{2,3})(\.[a-z]{2})?")
#: The machine, where a domain names one.
MACHINE: Final = re.compile(r"^(mail|email|smtp|mx|www|office)\d?\.(?=.+\.)")

EXTENSION: Final = re.compile(r"(?i)\s*(ext\.?|extension|x|#|durchwahl|poste)\s*\d{1,6}\s*$")
#: So many digits at the end are compared: how a number begins depends on where one stands.
LAST_DIGITS: Final = 9
#: A number with fewer digits says nothing.
FEWEST_DIGITS: Final = 7


def address_of(email: str) -> str:
    """The address as it is compared; "" for none, and for one of an example."""
    address = email.strip().casefold()
    _, at, domain = address.rpartition("@")
    return address if at and domain and not RESERVED.search(domain) else ""


def domain_of(email: str) -> str:
    """The domain of an address that is a company's own; "" for free mail and for no address."""
    domain = address_of(email).rpartition("@")[2].strip(".")
    domain = MACHINE.sub("", domain)
    return "" if not domain or is_free_mail(domain) else domain


def is_free_mail(domain: str) -> bool:
    """Whether a domain is one of those where everybody may have an address."""
    parts = domain.split(".")
    if any(".".join(parts[start:]) in FREE_MAIL for start in range(len(parts) - 1)):
        return True
    return parts[0] in FREE_NAMES and bool(COUNTRY.fullmatch(".".join(parts[1:])))


def number_of(phone: str) -> str:
    """The last digits of a phone number, without an extension; "" for one that says nothing."""
    digits = "".join(char for char in EXTENSION.sub("", phone) if char.isdecimal())
    if len(digits) < FEWEST_DIGITS or len(set(digits)) == 1:
        return ""
    return digits[-LAST_DIGITS:]
