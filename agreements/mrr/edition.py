"""Which edition of the rules the engine computes by."""

from __future__ import annotations

#: Rises when the engine or what is shown of it changes: figures that clients keep are then stale.
EDITION = 6
