"""The worked examples of docs/mrr.md: a book, a question, and the answer that is wanted."""

from __future__ import annotations

from pathlib import Path

from agreements.mrr.questions import decimal_json

DATA = Path(__file__).parent / "data"
#: W01 to W54, the definition's own.
FILE = DATA / "mrr_examples.json"
EXAMPLES = decimal_json(FILE.read_bytes())
#: P01 and on: situations in which people get an MRR wrong.
PRACTISED = decimal_json((DATA / "mrr_practised.json").read_bytes())
