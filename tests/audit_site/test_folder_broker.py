"""The broker of a single machine, in folders: what a killed process leaves harms nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from audit_site.celery import app


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    folders = {name: tmp_path / name for name in ("queue", "control")}
    for folder in folders.values():
        folder.mkdir()
    options = {
        "data_folder_in": str(folders["queue"]),
        "data_folder_out": str(folders["queue"]),
        "control_folder": str(folders["control"]),
        "polling_interval": 0.05,
    }
    assert app.conf  # the product's own transport is known from here on
    with Connection("filesystem://", transport_options=options) as connection:
        yield connection


def test_what_is_sent_arrives_and_leaves_no_file(broker: Connection, tmp_path: Path) -> None:
    with broker.SimpleQueue("plain") as queue:
        queue.put({"id": 1})
        message = queue.get(timeout=5)
        message.ack()

    assert message.payload == {"id": 1}
    assert list((tmp_path / "queue").iterdir()) == []


def test_a_message_that_was_never_filled_is_passed_over(broker: Connection, tmp_path: Path) -> None:
    (tmp_path / "queue" / "0_killed.unfilled.msg").touch()

    with broker.SimpleQueue("unfilled") as queue:
        queue.put({"id": 2})
        message = queue.get(timeout=5)
        message.ack()

    assert message.payload == {"id": 2}


def test_an_exchange_that_was_never_filled_is_made_again(
    broker: Connection, tmp_path: Path
) -> None:
    (tmp_path / "control" / "unbound.exchange").touch()

    with broker.SimpleQueue("unbound") as queue:
        queue.put({"id": 3})

        assert queue.get(timeout=5).payload == {"id": 3}


def test_who_reads_while_others_write_sees_whole_messages(broker: Connection) -> None:
    channel: Any = broker.default_channel
    count = 400

    def write() -> None:
        for number in range(count):
            channel._put("busy", {"number": number, "filling": "x" * 20_000})

    writer = threading.Thread(target=write)
    writer.start()
    numbers: set[int] = set()
    while len(numbers) < count:
        was_writing = writer.is_alive()
        try:
            numbers.add(channel._get("busy")["number"])
        except Empty:
            if not was_writing:
                break
    writer.join()

    assert numbers == set(range(count))
