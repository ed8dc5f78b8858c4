"""`make bench`: how fast a first sync is, beside the bare floor, and MRR beside SQL and pandas, the import
list beside SQL, what it costs to keep books, suggested links by the clock, REST beside a bare view, how long
a person waits, how much tenants wait for each other, and how one tenant grows.
"""

from __future__ import annotations

import sys

from tests.bench import books, fairness, first_sync, growth, import_list, matching, mrr, waiting
from tests.bench.rest import comparing

arguments = sys.argv[1:]
parts = {
    "sync": first_sync.main,
    "mrr": mrr.main,
    "list": import_list.main,
    "books": books.main,
    "matching": matching.main,
    "rest": comparing.main,
    "waiting": waiting.main,
    "fairness": fairness.main,
    "growth": growth.main,
}
if arguments and arguments[0] in parts:
    sys.exit(parts[arguments[0]](arguments[1:]))
if any(argument.startswith("--part") for argument in arguments):
    sys.exit(first_sync.main(arguments))
sys.exit(next((code for part in parts.values() if (code := part([]))), 0))
