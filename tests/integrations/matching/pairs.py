"""Pairs of companies as two people write them down, each with a kind of noise; always the same ones.

`python -m tests.integrations.matching.pairs` writes docs/matching.md's table of what the rule makes
of them; a test compares.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Final

from integrations.matching.candidates import Pair, best_pairs
from integrations.matching.rule import Profile, profile_of

PAGE: Final = Path("docs/matching.md")
MARKS: Final = ("<!-- measured -->", "<!-- /measured -->")
PAIRS: Final = 2000

SYLLABLES: Final = (
    *("an", "ar", "ba", "bel", "bor", "ca", "cal", "cor", "da", "del", "dor", "el", "en", "fa"),
    *("fen", "ga", "gar", "ha", "hel", "in", "ja", "ka", "kel", "la", "lin", "lo", "ma", "mar"),
    *("mel", "na", "nor", "o", "pa", "pel", "quo", "ra", "ren", "ro", "sa", "sel", "sol", "ta"),
    *("tel", "tor", "u", "va", "ver", "vin", "wal", "wen", "ya", "zan", "zel"),
)
TRADES: Final = (
    *("Accounting", "Animal Hospital", "Architects", "Bakery", "Brewing", "Builders", "Clinic"),
    *("Construction", "Credit Union", "Dental", "Design", "Distribution", "Engineering", "Farms"),
    *("Foods", "Freight", "Hotel", "Insurance", "Interiors", "Legal", "Logistics", "Media"),
    *("Motors", "Optics", "Packaging", "Pharmacy", "Plumbing", "Properties", "Realty", "Roofing"),
    *("Solar", "Surveying", "Textiles", "Tooling", "Travel", "Veterinary", "Wines", "Capital"),
)
FORMS: Final = (
    *("Inc.", "LLC", "Ltd", "Corp.", "PLC", "Pty Ltd", "GmbH", "AG", "GmbH & Co. KG", "SARL"),
    *("S.A.S.", "B.V.", "S.r.l.", "S.p.A.", "S.L.", "AB", "A/S", "Oy", "Sp. z o.o.", "s.r.o."),
)
ACCENTS: Final = str.maketrans({"a": "á", "e": "é", "o": "ö", "u": "ü", "l": "ł"})


@dataclass
class Written:
    """A company as somebody wrote it down."""

    name: str
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)

    @property
    def profile(self) -> Profile:
        return profile_of(self.name, self.emails, self.phones)


@dataclass
class Firm:
    """A company as it is."""

    words: list[str]
    domain: str
    phone: str

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def written(self, random: Random, name: str = "") -> Written:
        local = random.choice(("info", "office", "ada", "bob", "it"))
        return Written(name or self.name, [f"{local}@{self.domain}"], [self.phone])


def firm(random: Random, used: set[str]) -> Firm:
    """A company whose name no other one has."""
    while True:
        own = "".join(random.choices(SYLLABLES, k=random.choice((2, 3, 3, 4)))).capitalize()
        words = [own, random.choice(TRADES)] if random.random() < 0.85 else [own, "Holding"]
        if len(own) >= 4 and " ".join(words) not in used:
            used.add(" ".join(words))
            domain = (
                f"{own.lower()}{words[1].split()[0].lower()}.{random.choice(('com', 'io', 'de'))}"
            )
            return Firm(
                words,
                domain,
                f"+1 {random.randint(201, 989)} {random.randint(200, 999)} {random.randint(0, 9999):04d}",
            )


Noise = Callable[[Random, Firm, Written], None]


def _retype(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = random.choice((theirs.name.upper(), theirs.name.lower(), f"  {theirs.name} ."))


def _accents(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = theirs.name.translate(ACCENTS)


def _ending(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = f"{theirs.name}{random.choice((', ', ' '))}{random.choice(FORMS)}"


def _order(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = ", ".join(reversed(made.words))


def _slip(random: Random, made: Firm, theirs: Written) -> None:
    own = made.words[0]
    place = random.randrange(1, len(own) - 1)
    swapped = own[:place] + own[place + 1] + own[place] + own[place + 2 :]
    left_out = own[:place] + own[place + 1 :]
    theirs.name = " ".join([random.choice((swapped, left_out)), *made.words[1:]])


def _blanks(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = theirs.name.replace(" ", random.choice(("", "-")))


def _common_word(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = f"{theirs.name} {random.choice(('Group', 'Services', 'Company'))}"


def _word_more(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = f"{theirs.name} {random.choice(('North', 'Partners', 'West'))}"


def _renamed(random: Random, made: Firm, theirs: Written) -> None:
    theirs.name = f"{''.join(random.choices(SYLLABLES, k=4)).capitalize()} Ventures"


def _free_mail(random: Random, made: Firm, theirs: Written) -> None:
    theirs.emails = [f"{made.words[0].lower()}@gmail.com"]


def _no_contact(random: Random, made: Firm, theirs: Written) -> None:
    theirs.emails, theirs.phones = [], []


def _other_domain(random: Random, made: Firm, theirs: Written) -> None:
    theirs.emails = [f"info@{made.words[0].lower()}-group.net"]


def _other_number(random: Random, made: Firm, theirs: Written) -> None:
    theirs.phones = [
        f"{random.randint(201, 989)}-555-{random.randint(0, 9999):04d} x{random.randint(1, 99)}"
    ]


KINDS: Final[dict[str, tuple[Noise, ...]]] = {
    "written the same": (),
    "case, blanks, full stops": (_retype,),
    "accents": (_accents,),
    "a legal ending more": (_ending,),
    "words in another order": (_order,),
    "a slip of the pen": (_slip,),
    "blanks gone, hyphens": (_blanks,),
    "a common word more": (_common_word,),
    "a telling word more": (_word_more,),
    "another name, same domain and number": (_renamed,),
    "free mail": (_free_mail,),
    "no contact there": (_no_contact,),
    "another domain": (_other_domain,),
    "another number": (_other_number,),
    "ending, and free mail": (_ending, _free_mail),
    "slip, and another number": (_slip, _other_number),
    "order, and no contact": (_order, _no_contact),
    "slip, and no contact": (_slip, _no_contact),
}
#: What stands beside the pairs, and belongs to none of them.
TRAPS: Final = (
    "a namesake elsewhere, ours alone",
    "a namesake without contacts, ours alone",
    "a sister with the same domain and number, ours alone",
    "twice in the PSA",
    "another number in the name, ours alone",
    "a slip away, ours alone",
    "nothing like it",
)


@dataclass
class World:
    """Both sides, and who is whom: ids of ours → ids of theirs, "" = of none."""

    our_side: dict[str, Written]
    their_side: dict[str, Written]
    truth: dict[str, str]
    kind_of: dict[str, str]

    @cached_property
    def ours(self) -> dict[str, Profile]:
        return {key: one.profile for key, one in self.our_side.items()}

    @cached_property
    def theirs(self) -> dict[str, Profile]:
        return {key: one.profile for key, one in self.their_side.items()}


def make_world(seed: int = 1, pairs: int = PAIRS, strangers: int = 2000) -> World:
    """`pairs` pairs with noise, a fifth as many traps, and companies that nobody asks for."""
    random, used = Random(seed), set[str]()
    world = World({}, {}, {}, {})
    for number in range(pairs):
        kind = list(KINDS)[number % len(KINDS)]
        made = firm(random, used)
        theirs = made.written(random)
        for noise in KINDS[kind]:
            noise(random, made, theirs)
        _add(world, f"p{number}", kind, made.written(random), {f"p{number}": theirs})
        world.truth[f"p{number}"] = f"p{number}"
    for number in range(pairs // 5):
        _add_trap(world, random, used, number)
    for number in range(strangers):
        world.their_side[f"s{number}"] = firm(random, used).written(random)
    return world


def _add(world: World, key: str, kind: str, ours: Written, theirs: dict[str, Written]) -> None:
    world.our_side[key], world.kind_of[key], world.truth[key] = ours, kind, ""
    world.their_side.update(theirs)


def _add_trap(world: World, random: Random, used: set[str], number: int) -> None:
    kind, key = TRAPS[number % len(TRAPS)], f"t{number}"
    made, other = firm(random, used), firm(random, used)
    ours, there = made.written(random), other.written(random)
    theirs = {key: there}
    match TRAPS.index(kind):
        case 0:
            there.name = ours.name
        case 1:
            there.name, there.emails, there.phones = ours.name, [], []
        case 2:
            there.name = f"{made.words[0]} {random.choice(('Trust', 'North', 'Academy'))}"
            there.emails, there.phones = ours.emails, ours.phones
        case 3:
            theirs = {
                key: made.written(random),
                f"{key}b": made.written(random, f"{ours.name} LLC"),
            }
        case 4:
            ours.name, there.name = f"{made.name} 12", f"{made.name} 13"
            there.emails = ours.emails
        case 5:
            _slip(random, made, there)
    _add(world, key, kind, ours, theirs)


def table(world: World) -> str:
    """What became of each kind: right and wrong suggestions, and those that were sure."""
    pairs = {pair.ours: pair for pair in best_pairs(world.ours, world.theirs)}
    counts = {kind: Counter[str]() for kind in (*KINDS, *TRAPS)}
    for key, kind in world.kind_of.items():
        counts[kind].update(_outcome(pairs.get(key), world.truth[key]))
    lines = [_line(kind, count) for kind, count in counts.items()]
    of_pairs = sum((counts[kind] for kind in KINDS), Counter[str]())
    everything = sum(counts.values(), Counter[str]())
    return "\n".join(
        [
            "| | Companies | Right | Wrong | None | Sure and right | Sure and wrong |",
            "|---|---|---|---|---|---|---|",
            *lines,
            _line("**all**", everything),
            "",
            f"Of {of_pairs['all']:,} pairs {_share(of_pairs['right'], of_pairs['all'])} are found "
            f"(recall), {_share(of_pairs['sure and right'], of_pairs['all'])} surely. Of all "
            f"suggestions {_share(everything['right'], everything['right'] + everything['wrong'])} "
            "are right (precision), of the sure ones "
            f"{_share(everything['sure and right'], everything['sure'])}.",
        ]
    )


def _outcome(pair: Pair[str, str] | None, truth: str) -> list[str]:
    if pair is None:
        return ["all", "none"]
    how = "right" if pair.theirs == truth else "wrong"
    return ["all", how, *(["sure", f"sure and {how}"] if pair.is_sure else [])]


def _line(kind: str, count: Counter[str]) -> str:
    names = ("all", "right", "wrong", "none", "sure and right", "sure and wrong")
    return f"| {kind} | {' | '.join(str(count[name]) for name in names)} |"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def published() -> str:
    return PAGE.read_text().split(MARKS[0])[1].split(MARKS[1])[0].strip()


def main() -> None:
    text = PAGE.read_text()
    block = f"{MARKS[0]}\n{table(make_world())}\n{MARKS[1]}"
    PAGE.write_text(re.sub(f"{MARKS[0]}.*{MARKS[1]}", lambda _: block, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
