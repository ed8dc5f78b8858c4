"""ConnectWise's `conditions`: parsed and applied to records.

expr := term { OR term }      term := factor { AND factor }
factor := "(" expr ")" | path op literal | path [NOT] IN "(" … ")" | path [NOT] CONTAINS|LIKE text
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

Record = dict[str, Any]
Test = Callable[[Record], bool]

TOKEN: Final = re.compile(
    r"\s*(?:(?P<date>\[[^\]]*\])|(?P<text>\"[^\"]*\"|'[^']*')|(?P<op><=|>=|!=|=|<|>)|(?P<mark>[(),])"
    r"|(?P<number>-?\d+(?:\.\d+)?)(?![\w/])|(?P<word>[A-Za-z_][\w/.]*))"
)
#: Names that stand for another member in conditions.
ALIASES: Final = {"lastupdated": "_info/lastUpdated"}


class ConditionError(ValueError):
    """What ConnectWise answers with `ApiFindCondition`."""


def parse(text: str, known: frozenset[str]) -> Test:
    """Turn conditions into a test; `known` are the members (lower case) that may be named."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        match = TOKEN.match(text, position)
        if match is None:
            raise ConditionError(f"Unexpected text at position {position}.")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        position = match.end()
    return _Parser(tokens, known).parse()


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], known: frozenset[str]) -> None:
        self.tokens, self.known, self.at = tokens, known, 0

    def parse(self) -> Test:
        test = self.any_of()
        if self.at < len(self.tokens):
            raise ConditionError("Unexpected text after the condition.")
        return test

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        kind, text = self.peek()
        if kind == "word" and text.lower() in words:
            self.at += 1
            return True
        return False

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self.word("or"):
            tests.append(self.all_of())
        return tests[0] if len(tests) == 1 else lambda record: any(t(record) for t in tests)

    def all_of(self) -> Test:
        tests = [self.factor()]
        while self.word("and"):
            tests.append(self.factor())
        return tests[0] if len(tests) == 1 else lambda record: all(t(record) for t in tests)

    def factor(self) -> Test:
        kind, text = self.take()
        if (kind, text) == ("mark", "("):
            test = self.any_of()
            if self.take() != ("mark", ")"):
                raise ConditionError("A bracket is not closed.")
            return test
        if kind != "word":
            raise ConditionError("A name is expected.")
        path = self.path(text)
        negated = self.word("not")
        if self.word("in"):
            values = self.values()
            return lambda record: (lookup(record, path) in values) != negated
        if self.word("contains", "like"):
            pattern = like(str(self.literal()))
            return lambda record: bool(pattern.search(str(lookup(record, path) or ""))) != negated
        kind, operator = self.take()
        if kind != "op":
            raise ConditionError("An operator is expected.")
        return comparison(path, operator, self.literal())

    def path(self, text: str) -> list[str]:
        name = ALIASES.get(text.lower(), text)
        first = name.split("/")[0].lower()
        if first not in self.known:
            raise ConditionError(f"{text} is not a recognized name.")
        return name.split("/")

    def values(self) -> set[Any]:
        if self.take() != ("mark", "("):
            raise ConditionError("A list in brackets is expected after IN.")
        values = {self.literal()}
        while self.peek() == ("mark", ","):
            self.take()
            values.add(self.literal())
        if self.take() != ("mark", ")"):
            raise ConditionError("A bracket is not closed.")
        return values

    def literal(self) -> Any:
        kind, text = self.take()
        if kind == "date":
            return moment(text[1:-1])
        if kind == "text":
            return text[1:-1].casefold()
        if kind == "number":
            return float(text) if "." in text else int(text)
        constants = {"true": True, "false": False, "null": None}
        if kind == "word" and text.lower() in constants:
            return constants[text.lower()]
        raise ConditionError(
            "String values should be enclosed with double or single quotes; DateTime values should "
            "be enclosed in square brackets."
        )


def lookup(record: Any, path: list[str]) -> Any:
    """A member by its path, names without regard to case; texts folded for comparing."""
    for name in path:
        if not isinstance(record, dict):
            return None
        record = next((v for k, v in record.items() if k.lower() == name.lower()), None)
    return record.casefold() if isinstance(record, str) else record


def like(text: str) -> re.Pattern[str]:
    pattern = ".*".join(re.escape(part) for part in re.split(r"[%*]", text))
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def moment(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise ConditionError("A date in square brackets can't be read.") from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def comparison(path: list[str], operator: str, value: Any) -> Test:
    def test(record: Record) -> bool:
        found = lookup(record, path)
        if isinstance(value, datetime):
            found = moment(found) if isinstance(found, str) else None
        if operator in {"=", "!="}:
            if isinstance(found, bool) and not isinstance(value, bool | None):
                raise ConditionError("Expected a boolean value, not a numeric.")
            return bool(found == value) == (operator == "=")
        if found is None or value is None:
            return False
        outcomes = {
            "<": found < value,
            "<=": found <= value,
            ">": found > value,
            ">=": found >= value,
        }
        return bool(outcomes[operator])

    return test
