"""Invented people and firms for the sandboxes: the same seed gives the same ones."""

from __future__ import annotations

import unicodedata
from random import Random

FIRST_NAMES = ["Amélie", "Andrés", "Anna", "Anouk", "Aoife", "Ben", "Björn", "Carlos", "Chiara", "Chloe", "Daniel", "Dagmar", "Elif", "Emma", "Eoin", "Fatima", "Felix", "François", "Giulia", "Grace", "Hannah", "Hiroshi", "Imogen", "Inès", "Ivan", "Jack", "Jana", "Jürgen", "Kofi", "Lars", "Lea", "Liam", "Łukasz", "Mads", "Maria", "Mei", "Mohamed", "Naomi", "Niamh", "Noah", "Olga", "Oscar", "Priya", "Rafael", "Rosa", "Samuel", "Sinéad", "Sofía", "Sven", "Tariq", "Thandi", "Uche", "Viktor", "Wei", "Yara", "Zoë"]
LAST_NAMES = ["Abara", "Almeida", "Andersson", "Bauer", "Becker", "Björk", "Carter", "Chen", "D'Angelo", "Delacroix", "Díaz", "Eriksson", "Fischer", "Fournier", "García", "Gruber", "Haddad", "Hansen", "Ibrahim", "Jansen", "Johansson", "Kaplan", "Keller", "Kovács", "Kowalski", "Laurent", "Lindqvist", "MacLeod", "Marsh", "Meyer", "Moreau", "Müller", "Nakamura", "Natarajan", "Novak", "Nuñez", "O'Brien", "Okafor", "Olsen", "Park", "Patel", "Petrov", "Quinn", "Rossi", "Santos", "Schäfer", "Schmidt", "Silva", "Smith", "Tanaka", "Taylor", "Thomsen", "Van-Dijk", "Weber", "Wilson", "Yilmaz", "Zając"]
FIRM_NAMES = ["Alder", "Amber", "Anchor", "Arbor", "Atlas", "Beacon", "Birch", "Blue-Heron", "Bright", "Café-Lumière", "Cedar", "Cliffside", "Clover", "Copper", "Coral", "Crescent", "Crown", "Delta", "Domaine-Rosé", "Eagle", "Elm", "Ember", "Evergreen", "Falcon", "Fjord", "Frontier", "Gärtner", "Golden", "Granite", "Greenfield", "Harbor", "Hawthorn", "Hazel", "Highland", "Iron-Bridge", "Ivy", "Juniper", "Keystone", "Königsallee", "Lakeside", "Laurel", "Lighthouse", "Lindenhof", "Maple", "Meadow", "Meridian", "Mill-Creek", "Montréal", "Nordic", "Northwind", "O'Hara's", "Oak", "Olympia", "Orchard", "Pacific", "Pebble", "Pine", "Pioneer", "Prairie", "Quarry", "Redwood", "Ridge", "River", "Rosewood", "Saint-Étienne", "Sawmill", "Sequoia", "Silver", "Sparrow", "Stone", "Summit", "Sycamore", "Terra", "Thistle", "Timber", "Tulip", "Union", "Valley", "Vista", "Walnut", "Westport", "Willow", "Zephyr"]
TRADES = ["Accounting", "Animal Hospital", "Architects", "Bakery", "Brewing", "Builders", "Chiropractic", "Clinic", "Community Bank", "Construction", "Credit Union", "Dental Group", "Design & Print", "Distribution", "Engineering", "Family Law", "Farms", "Fisheries", "Foods", "Freight", "Health Partners", "Hotel", "Insurance", "Interiors", "Legal", "Logistics", "Manufacturing", "Media", "Montessori School", "Motors", "Optics", "Packaging", "Pharmacy", "Physio & Rehab", "Plumbing", "Properties", "Realty", "Recycling", "Roofing", "Solar", "Surveying", "Textiles", "Tooling", "Travel", "Veterinary", "Wines"]
FORMS = ("", "", "", " LLC", " Inc.", " Ltd", " GmbH", " & Sons", " Group", " Co.", " S.A.")
CITIES = ["Tacoma", "Portland", "Austin", "Leeds", "Bristol", "Toronto", "Montréal", "Zürich", "Köln", "Malmö", "Kraków", "Lisboa", "Galway"]


def firm_name(random: Random, number: int) -> str:
    """A firm's name; every seventh or so carries its town, to tell namesakes apart."""
    first = random.choice(FIRM_NAMES).replace("-", " ")
    town = f" {random.choice(CITIES)}" if number % 7 == 3 else ""
    return f"{first} {random.choice(TRADES)}{town}{random.choice(FORMS)}"


def person_name(random: Random) -> tuple[str, str]:
    return random.choice(FIRST_NAMES), random.choice(LAST_NAMES)


def domain_of(name: str, number: int) -> str:
    """An address nobody can own: `.example` is reserved."""
    return f"{ascii_letters(name)[:24] or 'firm'}{number}.example"


def ascii_letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def phone_number(random: Random) -> str:
    """A number of the range that is kept free for fiction."""
    return f"{random.randint(201, 989)}555{random.randint(100, 199):04d}"
