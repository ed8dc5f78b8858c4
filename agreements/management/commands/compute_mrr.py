"""Compute the MRR of a pasted book."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agreements.books import sources
from agreements.mrr.questions import QuestionError, answer_all


class Command(BaseCommand):
    help = 'Answer a JSON array of {"id", "ask", "book"} with an array of {"id", "answer"}.'
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = (
                sys.stdin.buffer.read()
                if options["file"] == "-"
                else Path(options["file"]).read_bytes()
            )
            answers = answer_all(text, sources())
        except OSError as error:
            raise CommandError(f"{options['file']} can't be read: {error.strerror}.") from None
        except QuestionError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(answers, ensure_ascii=False, default=str))
