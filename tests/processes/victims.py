"""Processes that are killed at moments that the dice decide."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.processes.installation import HEALED_SECONDS, Installation, free_port
from tests.processes.story import Story

#: Whom they hit, in an order that the dice decide.
VICTIMS = ("worker",) * 7 + ("web",) * 6 + ("broker",) * 2 + ("forgetful broker",) * 5


class Redis:
    """A broker of the test's own: it keeps what it has on disk, or forgets it when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, installation: Installation) -> subprocess.Popen[bytes]:
        self.folder.mkdir(exist_ok=True)
        return installation.start_process(
            "redis", "redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
            "--dir", str(self.folder), "--save", "", "--appendonly", "yes",
        )  # fmt: skip

    def forget(self) -> None:
        shutil.rmtree(self.folder)


class Victims:
    """The processes that get killed, and their successors."""

    def __init__(self, installation: Installation, redis: Redis | None) -> None:
        self.installation, self.redis = installation, redis
        self.broker = redis.start(installation) if redis else None
        self.web = installation.start_web()
        self.worker = installation.start_worker()

    def revive_worker(self) -> bool:
        """Start a worker that is not there; whether there was none.

        It is what `restart: unless-stopped` does for a worker that the loss of its broker has ended.

        kombu's Redis transport may fail over giving messages back to a broker that is not there.
        """
        if self.worker.poll() is not None:
            print("the worker ended by itself")
            self.installation.kill(self.worker)  # its children
            self.worker = self.installation.start_worker()
            return True
        return False

    def kill(self, victim: str) -> None:
        """SIGKILL one of them and start it again at once."""
        made = self.installation
        if victim == "web":
            made.kill(self.web)
            self.web = made.begin_web()
        elif victim == "worker":
            made.kill(self.worker)
            self.worker = made.start_worker()
        elif self.redis is None:  # the folder is the broker
            for path in (made.var / "broker").rglob("*"):
                if path.is_file():
                    path.unlink(missing_ok=True)
        else:
            made.kill(self.broker)
            if victim == "forgetful broker":
                self.redis.forget()
            self.broker = self.redis.start(made)

    def deploy(self) -> int:
        """SIGTERM to web and worker, and the next version; how the worker ended."""
        made = self.installation
        for process in (self.web, self.worker):
            process.terminate()
        ended = self.worker.wait(HEALED_SECONDS)
        made.kill(self.web)
        self.web, self.worker = made.start_web(), made.start_worker()
        return ended


def dice_of(seed: str, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311


def kill_at_random(victims: Victims, story: Story, dice: random.Random) -> None:
    """Kill at twenty random moments while the story goes on."""
    ended, begun = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(story.tell, ended)
        try:
            for number, victim in enumerate(dice.sample(VICTIMS, len(VICTIMS)), 1):
                await_moment(dice, victim, story)
                assert not said.done(), said.result()
                print(f"{number:2} after {time.monotonic() - begun:5.2f} s: {victim}")
                victims.revive_worker()
                victims.kill(victim)
        finally:
            ended.set()
        said.result(timeout=HEALED_SECONDS)


def await_moment(dice: random.Random, victim: str, story: Story) -> None:
    """A random moment at which there is something to lose: in the middle of a request to us, or
    some requests to the PSA later.
    """
    if victim == "web":
        story.client.posting.clear()
        story.client.posting.wait(2.5)
        time.sleep(dice.uniform(0, 0.06))
        return
    until = time.monotonic() + (20 if victim == "worker" else 1)
    wanted = len(story.sandbox.requests()) + dice.randint(1, 60)
    while len(story.sandbox.requests()) < wanted and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(dice.uniform(0, 0.1))
