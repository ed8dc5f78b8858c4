"""Read by `gunicorn audit_site.wsgi` by itself; options of the command line come first."""

from __future__ import annotations

import resource

#: How many open connections a process holds. Most of them are slow or idle: they cost no thread.
worker_connections = 1000
worker_class = "audit_site.patient_worker.PatientWorker"
threads = 8
keepalive = 15  # seconds that an idle connection is kept for the next request
graceful_timeout = 30
control_socket_disable = True
# proxies are trusted by TRUST_PROXY alone, in the product itself
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""

#: Sockets, files and connections to the database beside `worker_connections`.
OTHER_FILES = 200


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit on open files as far as it may; many systems begin at 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


allow_open_files(worker_connections + OTHER_FILES)
