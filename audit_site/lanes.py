"""Lanes: queues whose messages have threads of their own, inside every worker.

Celery gives all queues of a worker one pool: four long syncs, and nothing else starts. Here syncs
have one lane, what a person waits for has another, and Celery's own pool keeps the rest (the clock,
mail). A worker serves all of them by itself; `-Q` chooses, as with any queue.

Messages are hints and rows are the truth (`integrations.runs.leases`), so a lane takes a message
off its queue when a thread is free for it, and not later: what is lost is sent again by the sweep.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from celery import Celery, bootsteps
from django.conf import settings
from django.db import connections
from kombu import Connection, Exchange, Message, Queue

CELERY: Final = "celery"
SYNC: Final = "sync"
URGENT: Final = "urgent"
#: How long a lane that lost its broker waits before it tries again.
RECONNECT_SECONDS: Final = 2.0
#: How long a lane listens before it looks whether the worker is ending.
LISTEN_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


def queues() -> list[Queue]:
    """All queues of this product; a worker without `-Q` serves them all."""
    return [Queue(name, Exchange(name), routing_key=name) for name in (CELERY, SYNC, URGENT)]


def threads_of_lanes() -> dict[str, int]:
    """How many messages of a lane a worker carries out at once."""
    return {SYNC: settings.SYNC_THREADS, URGENT: settings.URGENT_THREADS}


class Lane:
    """One queue's listener and its threads. It never ends before it is told to."""

    def __init__(self, app: Celery, queue: Queue, threads: int) -> None:
        self._app, self._queue, self._threads = app, queue, threads
        self._ending = threading.Event()
        self._changed = threading.Condition()
        self._busy = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=queue.name)
        self._listener = threading.Thread(
            target=self._listen, name=f"{queue.name}-listener", daemon=True
        )

    def start(self) -> None:
        self._listener.start()

    def end(self, *, wait: bool) -> None:
        """Take no more messages; `wait` until those under way have ended."""
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        if wait:
            self._listener.join()
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                with self._app.connection_for_read() as connection:
                    self._consume(connection)
            except Exception as error:  # noqa: BLE001  brokers have many, and all may pass
                log.warning("lane_waits queue=%s error=%s", self._queue.name, type(error).__name__)
                self._ending.wait(RECONNECT_SECONDS)

    def _consume(self, connection: Connection) -> None:
        with connection.Consumer(
            [self._queue], on_message=self._take, accept=["json"], no_ack=True, prefetch_count=1
        ):
            while self._has_place():
                try:
                    connection.drain_events(timeout=LISTEN_SECONDS)
                except TimeoutError:
                    continue

    def _has_place(self) -> bool:
        """Wait until a thread is free; False when the worker ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending.is_set() or self._busy < self._threads)
        return not self._ending.is_set()

    def _take(self, message: Message) -> None:
        with self._changed:
            self._busy += 1
        self._executor.submit(self._carry_out, message).add_done_callback(self._free)

    def _free(self, done: Future[None]) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()
        if not done.cancelled() and (error := done.exception()):
            log.error("message_not_carried_out queue=%s", self._queue.name, exc_info=error)

    def _carry_out(self, message: Message) -> None:
        args, kwargs, _ = message.payload
        task = self._app.tasks[message.headers["task"]]
        try:
            task.apply(args, kwargs, task_id=message.headers["id"], headers=message.headers)
        finally:
            connections.close_all()


class LanesStep(bootsteps.StartStopStep):
    """Starts the lanes with a worker and ends them with it.

    The clock of `-B` is a process that the worker forks: no thread of ours may hold a lock then, or
    the clock would wait for it for ever.
    """

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.lanes: list[Lane] = []

    def create(self, worker: Any) -> Any:
        """Take from Celery's own consumer the queues that have lanes."""
        known = worker.app.amqp.queues
        for name, threads in threads_of_lanes().items():
            if name in known.consume_from:
                self.lanes.append(Lane(worker.app, known[name], threads))
        known.deselect([lane for lane in threads_of_lanes() if lane in known.consume_from])
        return self

    def start(self, worker: Any) -> None:
        for lane in self.lanes:
            lane.start()

    def stop(self, worker: Any) -> None:
        for lane in self.lanes:
            lane.end(wait=True)

    def terminate(self, worker: Any) -> None:
        for lane in self.lanes:
            lane.end(wait=False)
