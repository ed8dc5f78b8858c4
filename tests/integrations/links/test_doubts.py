"""What speaks against two companies being the same one."""

from __future__ import annotations

import pytest

from integrations.links.doubts import Side, doubts

THEIRS = Side("Zebra Legal", ["zoe@Zebra.example", "zoe@gmail.com"], ["+1 555 010-2030"])
CASES: list[tuple[Side, Side, list[str]]] = [
    (Side("ZEBRA Légal"), THEIRS, []),
    (Side("Zebra Ltd"), THEIRS, ["names_differ"]),
    (Side("Kite Ltd"), Side("Zebra Ltd"), ["nothing_in_common"]),
    (Side("Kite", ["b@other.example", "a@zebra.example"]), THEIRS, ["names_differ"]),
    (Side("Kite", ["a@gmail.com"]), THEIRS, ["nothing_in_common"]),
    (Side("Kite", phones=["555 010 2030"]), THEIRS, ["names_differ"]),
    (Side("Kite", [""], [""]), Side("Zebra", [""], ["-"]), ["nothing_in_common"]),
    (Side("🦓"), Side("Z"), ["nothing_in_common"]),
]


@pytest.mark.parametrize(("ours", "theirs", "codes"), CASES)
def test_what_speaks_against_a_link_is_said(ours: Side, theirs: Side, codes: list[str]) -> None:
    assert [warning["code"] for warning in doubts(ours, theirs, "ConnectWise")] == codes
