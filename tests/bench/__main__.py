"""`make bench`: how fast a first sync is, beside the bare floor, in one run."""

from __future__ import annotations

import sys

from tests.bench.first_sync import main

sys.exit(main(sys.argv[1:]))
