"""When a request is whole enough for a thread."""

from __future__ import annotations

import pytest

from audit_site.patient_worker import MOST_BODY_BYTES, Gathered, HeadTooLarge

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("received", "whole"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (POST + b"Content-Length: 5\r\n\r\nabcd", False),
        (POST + b"CONTENT-LENGTH:5 \r\n\r\nabcde", True),
        (POST + b"X-Content-Length: 5\r\n\r\n", True),
        (POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY_BYTES + 1), True),
        (POST + b"Content-Length: five\r\n\r\n", True),  # gunicorn refuses it
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab0\r\n\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n", True),
    ],
)
def test_a_request_waits_in_the_main_loop_until_it_is_whole(received: bytes, whole: bool) -> None:
    at_once, by_bytes = Gathered(), Gathered()

    at_once.add(received)
    for byte in received:
        by_bytes.add(bytes([byte]))

    assert at_once.is_whole is by_bytes.is_whole is whole
    assert at_once.take() == received
    assert not at_once.is_whole


def test_a_head_without_end_never_becomes_a_request() -> None:
    with pytest.raises(HeadTooLarge):
        Gathered().add(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
