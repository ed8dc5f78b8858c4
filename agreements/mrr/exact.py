"""Exact numbers: `Fraction` as the standard library has it, from one that is eight times as fast.

Where everything is worked out anew, fractions are most of the work (`make bench ARGS=mrr`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same type to who reads the code
    from fractions import Fraction
else:
    from quicktions import Fraction

__all__ = ["Fraction"]
