"""kombu's folder broker, made to bear SIGKILL at any moment.

kombu creates a message's file and fills it afterwards. Who reads in between, or after the writer
was killed there, finds it empty, and the worker ends over it. Here a file gets its name when it is
whole.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


def write_whole(path: Path, content: str) -> None:
    """Write a file that nobody ever sees in part."""
    beside = path.with_name(f"{path.name}.{uuid.uuid4()}")
    beside.write_text(content, encoding="utf-8")
    os.replace(beside, path)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _get(self, queue: str) -> Any:  # type: ignore[override]
        try:
            return super()._get(queue)
        except ValueError:  # left by a machine that lost power: the sweeper sends it again
            raise Empty from None

    def _queue_bind(self, exchange: str, *args: Any) -> None:
        table: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]
        if not table.exists() or table.stat().st_size == 0:
            write_whole(table, "[]")
        super()._queue_bind(exchange, *args)


class Transport(filesystem.Transport):
    Channel = Channel
