from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.psa.addresses import ServerAddress, read_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("psa.example", ServerAddress("https", "psa.example")),
        ("https://PSA.example/login?x=1#top", ServerAddress("https", "psa.example")),
        ("http://psa.example", ServerAddress("http", "psa.example")),
        ("ftp://psa.example", ServerAddress("https", "psa.example")),
        ("https://https://psa.example", ServerAddress("https", "psa.example")),
        ("https://user:password@psa.example:8443/a", ServerAddress("https", "psa.example", "8443")),
        ("psa.example:443", ServerAddress("https", "psa.example")),
        ("https://psa.example.:0443/", ServerAddress("https", "psa.example")),
        ("psa.example.", ServerAddress("https", "psa.example")),
        ("http://psa.example:80", ServerAddress("http", "psa.example")),
        ("http://psa.example:443", ServerAddress("http", "psa.example", "443")),
        ("\ufeffpsa.example\u2060 ", ServerAddress("https", "psa.example")),
        (" psa.example:81 ", ServerAddress("https", "psa.example", "81")),
        ("psa.example?to=https://other.example", ServerAddress("https", "psa.example")),
        ("http://[::1]:8765/x", ServerAddress("http", "[::1]", "8765")),
        ("\u200bpsa.example", ServerAddress("https", "psa.example")),
        ("", ServerAddress("https", "", names_a_host=False)),
        ("my server", ServerAddress("https", "my server", names_a_host=False)),
        ("psa.example:port", ServerAddress("https", "psa.example:port", names_a_host=False)),
        ("...", ServerAddress("https", "...", names_a_host=False)),
    ],
)
def test_scheme_host_and_port_are_read_out_of_what_was_pasted(
    typed: str, address: ServerAddress
) -> None:
    assert read_address(typed) == address


def test_its_root_and_place_leave_out_a_port_that_was_not_typed() -> None:
    plain, other = read_address("http://a.example"), read_address("a.example:81")

    assert (plain.root, plain.place) == ("http://a.example", "a.example")
    assert (other.root, other.place) == ("https://a.example:81", "a.example:81")


@given(st.text(max_size=60))
def test_whatever_was_typed_is_read_the_same_again(typed: str) -> None:
    address = read_address(typed)

    assert not address.names_a_host or read_address(address.root) == address
