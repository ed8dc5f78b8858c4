"""Legal endings of company names, by country: what they leave out says nothing of who it is."""

from __future__ import annotations

from typing import Final

#: As they are once case, accents and punctuation are gone; single letters stand together.
BY_COUNTRY: Final[dict[str, tuple[str, ...]]] = {
    "United States": (
        *("inc", "incorporated", "corp", "corporation", "co", "company", "llc", "llp", "lllp"),
        *("lp", "pllc", "pc", "ltd co", "limited liability company"),
    ),
    "United Kingdom": ("ltd", "limited", "plc", "cic", "llp", "public limited company"),
    "Ireland": ("dac", "teo", "teoranta", "clg"),
    "Canada": ("ltee", "limitee", "ulc", "enr", "inc", "ltd"),
    "Australia": ("pty", "pty ltd", "pty limited", "proprietary limited"),
    "Germany": (
        *("gmbh", "mbh", "ggmbh", "ag", "kg", "ohg", "gbr", "ug", "ek", "ev", "eg", "kgaa"),
        *("gmbh co kg", "ug haftungsbeschrankt", "partg", "partg mbb", "gesellschaft mbh", "se"),
    ),
    "Austria": ("gesmbh", "gesbr", "og", "ges mbh"),
    "Switzerland": ("sarl", "sagl", "klg", "gmbh", "ag"),
    "France": ("sa", "sas", "sasu", "sarl", "eurl", "sci", "snc", "scop", "selarl"),
    "Netherlands": ("bv", "nv", "vof", "cv", "bv io"),
    "Belgium": ("bvba", "sprl", "cvba", "vzw", "asbl"),
    "Italy": ("srl", "srls", "spa", "sapa", "scarl", "societa cooperativa"),
    "Spain": ("sl", "slu", "sll", "sau", "sociedad limitada", "sociedad anonima"),
    "Portugal, Brazil": ("lda", "ltda", "eireli"),
    "Sweden": ("ab", "hb", "kb"),
    "Norway": ("asa", "as", "ans"),
    "Denmark": ("aps", "ivs"),
    "Finland": ("oy", "oyj", "tmi"),
    "Poland": ("sp z oo", "sp zoo", "sp j", "sp k", "sa"),
    "Czechia, Slovakia": ("sro", "spol sro", "vos"),
    "Japan": ("kk", "gk", "株式会社", "有限会社", "合同会社"),
    "India": ("pvt", "pvt ltd", "private limited"),
}
#: Two spellings of one ending.
SAME: Final[dict[str, str]] = {
    **{"incorporated": "inc", "corporation": "corp", "limited": "ltd", "company": "co"},
    **{"ltee": "ltd", "limitee": "ltd", "ges mbh": "gmbh", "gesmbh": "gmbh", "mbh": "gmbh"},
    **{"gesellschaft mbh": "gmbh", "pty": "pty ltd", "pty limited": "pty ltd", "pvt": "pvt ltd"},
    **{"proprietary limited": "pty ltd", "private limited": "pvt ltd", "teoranta": "teo"},
    **{"public limited company": "plc", "limited liability company": "llc", "sp zoo": "sp z oo"},
    **{"株式会社": "kk", "合同会社": "gk", "sociedad limitada": "sl", "sociedad anonima": "sa"},
}
#: These stand in front, too: "SARL Dupont".
IN_FRONT: Final = frozenset({"sarl", "sas", "eurl", "sci", "snc", "株式会社", "有限会社"})

ENDINGS: Final = frozenset(
    tuple(ending.split()) for endings in BY_COUNTRY.values() for ending in endings
)
LONGEST: Final = max(map(len, ENDINGS))


def without_endings(words: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The words that are left, and the endings that were there. A name of endings alone stays."""
    rest, found = words, set()
    while ending := _ending_of(rest):
        found.add(SAME.get(ending, ending))
        rest = rest[: -len(ending.split())]
    while len(rest) > 1 and rest[0] in IN_FRONT:
        found.add(SAME.get(rest[0], rest[0]))
        rest = rest[1:]
    return rest, frozenset(found)


def _ending_of(words: tuple[str, ...]) -> str:
    """The longest ending that leaves something of the name; "" = none."""
    for count in range(min(LONGEST, len(words) - 1), 0, -1):
        if words[-count:] in ENDINGS:
            return " ".join(words[-count:])
    return ""
