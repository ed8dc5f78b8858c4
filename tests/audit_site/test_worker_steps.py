"""The order in which a worker starts its parts."""

from __future__ import annotations

from celery.worker import WorkController
from celery.worker.components import Beat

from audit_site.celery import app
from audit_site.lanes import LanesStep


def test_the_clock_forks_before_any_lane_has_a_thread() -> None:
    """Celery keeps steps in a set: what no requirement orders comes in another order each time."""
    blueprint = WorkController.Blueprint(steps=app.steps["worker"])
    steps = blueprint.claim_steps()
    for first in steps:
        shuffled = {first: steps[first], **dict(reversed(steps.items()))}

        names = [step.name for step in blueprint._finalize_steps(shuffled)]

        assert names.index(Beat.name) < names.index(LanesStep.name)
