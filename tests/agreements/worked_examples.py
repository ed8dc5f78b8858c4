"""The worked examples of docs/mrr.md: a book, a question, and the answer that is wanted."""

from __future__ import annotations

from pathlib import Path

from agreements.mrr.questions import decimal_json

FILE = Path(__file__).parent / "data" / "mrr_examples.json"
EXAMPLES = decimal_json(FILE.read_bytes())
