"""The product's settings, with the bare views beside its addresses."""

from audit_site.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.rest.urls"
