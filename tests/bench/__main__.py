"""`make bench`: how fast a first sync is, beside the bare floor, and MRR beside SQL and pandas, the import
list beside SQL, what it costs to keep books, suggested links by the clock, and REST beside a bare view.
"""

from __future__ import annotations

import sys

from tests.bench import books, first_sync, import_list, matching, mrr
from tests.bench.rest import comparing

arguments = sys.argv[1:]
parts = {
    "sync": first_sync.main,
    "mrr": mrr.main,
    "list": import_list.main,
    "books": books.main,
    "matching": matching.main,
    "rest": comparing.main,
}
if arguments and arguments[0] in parts:
    sys.exit(parts[arguments[0]](arguments[1:]))
if any(argument.startswith("--part") for argument in arguments):
    sys.exit(first_sync.main(arguments))
sys.exit(
    first_sync.main([])
    or mrr.main([])
    or import_list.main([])
    or books.main([])
    or matching.main([])
    or comparing.main([])
)
