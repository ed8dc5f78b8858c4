"""A pytest plugin (`-p tests.environment`): the environment, before Django reads its settings.

`DATABASE_URL` and `CELERY_BROKER_URL` given from outside are used; nothing else is.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from integrations.psa import registry

gc.disable()  # until all tests are there (conftest.py): nothing that is imported goes away again

GRAMMAR = "rfc3987_syntax"


@lru_cache(10_000)
def _is_valid_syntax(rule: str, text: str) -> bool:
    sys.modules.pop(GRAMMAR, None)
    return bool(importlib.import_module(GRAMMAR).is_valid_syntax(rule, text))


#: What jsonschema asks about IRIs: its grammar is worked out when the first one is checked, instead of
#: at the start of each process, and the same text is parsed once.
sys.modules[GRAMMAR] = ModuleType(GRAMMAR)
vars(sys.modules[GRAMMAR])["is_valid_syntax"] = _is_valid_syntax

VAR_DIR = Path(os.environ.get("AUDIT_TEST_VAR_DIR") or tempfile.mkdtemp(prefix="audit-test-"))

os.environ |= {
    # shared with the processes that run tests side by side
    "AUDIT_TEST_VAR_DIR": str(VAR_DIR),
    "AUDIT_TEST_RUN": os.environ.get("AUDIT_TEST_RUN") or str(os.getpid()),
    "VAR_DIR": str(VAR_DIR),
    "SECRET_KEY": "tests-only-secret-key-that-protects-nothing-0123456789",
    "CREDENTIAL_KEYS": "test:dGVzdHMtb25seS1rZXktMDAwMDAwMDAwMDAwMDAwMDA=",
    "PSA_ALLOW_PRIVATE_HOSTS": "1",
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "LOG_LEVEL": "WARNING",
    "DEBUG": "0",
}
for _name in ("SENTRY_DSN", *(setting.name for setting in registry.settings())):
    os.environ.pop(_name, None)  # tests that need one set it
