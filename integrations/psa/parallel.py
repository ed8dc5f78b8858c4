"""Ask for several things side by side, and get the answers in the order of the questions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


def ordered_map(
    ask: Callable[[QuestionT], AnswerT], questions: Iterable[QuestionT], *, workers: int
) -> Iterator[AnswerT]:
    """Yield `ask(question)` for each, at most `workers` at once and few ahead of the reader.

    The first error is raised in its place; what has not started is then dropped. Each is asked in
    the context of the one who reads the answers: what that one may see, and the id in log lines.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="psa") as pool:
        ahead: deque[Future[AnswerT]] = deque()
        try:
            for question in questions:
                ahead.append(pool.submit(copy_context().run, ask, question))
                if len(ahead) > workers * 2:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
