"""REST and pages served by gunicorn as it is run, beside a bare DRF view that returns the same bytes."""
