"""One settings file for every place this runs; all that differs is read from the environment."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import structlog
from csp.constants import NONE, SELF
from django.contrib.messages import constants as message_levels
from django.core.exceptions import ImproperlyConfigured

from agreements.mrr.currencies import CODES_OF_TODAY
from audit_site import error_reports
from audit_site.api.schema_hooks import CONVENTIONS
from audit_site.env import (
    env_bool,
    env_int,
    env_list,
    env_ports,
    env_secret,
    env_text,
    load_env_file,
)
from audit_site.error_codes import CODES
from audit_site.log_context import redact
from integrations.psa import registry
from integrations.psa.http import PUBLIC_PORTS

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env_text("VAR_DIR") or BASE_DIR / "var").resolve()
load_env_file(VAR_DIR / "env")  # written by `make run`: keys that survive a restart

DEBUG = env_bool("DEBUG")
PUBLIC_URL = env_text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname:
    raise ImproperlyConfigured("PUBLIC_URL must be an address such as https://audit.example.com.")
IS_HTTPS = _public.scheme == "https"

_DEVELOPMENT_KEY = "development-only-key-that-protects-nothing-at-all-0000000000"
SECRET_KEY = env_secret("SECRET_KEY") or (_DEVELOPMENT_KEY if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it to 50 random characters "
        "(`make run` writes one to var/env by itself)."
    )
#: `id:base64-of-32-bytes`, comma-separated, newest first; read by audit_site.key_ring alone.
CREDENTIAL_KEYS = env_secret("CREDENTIAL_KEYS") or (
    "development:ZGV2ZWxvcG1lbnQtb25seS1rZXktMDAwMDAwMDAwMDA=" if DEBUG else ""
)
if not CREDENTIAL_KEYS:
    raise ImproperlyConfigured(
        "CREDENTIAL_KEYS is not set. Set it to `1:` and the base64 of 32 random bytes "
        "(`make run` writes one to var/env by itself)."
    )

_loopback = ("127.0.0.1", "localhost", "[::1]")
_host = f"[{_public.hostname}]" if ":" in _public.hostname else _public.hostname
_is_local = DEBUG or _host in _loopback
#: Loopback is no name of a production site: who can set `Host` could have mails lead there.
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", (_host, *(_loopback if _is_local else ())))
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", (f"{_public.scheme}://{_public.netloc}",))

# What integrations need to know
for _declared in registry.settings():  # what each PSA's adapter asks for
    globals()[_declared.name] = env_text(_declared.name, _declared.default)
PSA_ALLOW_PRIVATE_HOSTS = env_bool("PSA_ALLOW_PRIVATE_HOSTS")
PSA_ALLOWED_PORTS = env_ports("PSA_ALLOWED_PORTS", PUBLIC_PORTS)
#: To how many requests at once an account may grow (integrations.psa.growth).
PSA_MOST_REQUESTS = max(env_int("PSA_MOST_REQUESTS", 16), 1)
OUTGOING_ADDRESSES = env_list("OUTGOING_ADDRESSES")
HELP_EMAIL = env_text("HELP_EMAIL", "help@auditforit.com")
#: For how long things are kept (audit_site.privacy.retention).
SYNC_HISTORY_DAYS = env_int("SYNC_HISTORY_DAYS", 90)
REPORT_DAYS = env_int("REPORT_DAYS", 7)
BOOK_HISTORY_DAYS = env_int("BOOK_HISTORY_DAYS", 0)
#: What a tenant's own currency may be.
CURRENCIES = frozenset(CODES_OF_TODAY)
#: How often a tenant may do it within an hour (audit_site.limits).
LIMIT_TESTS = env_int("LIMIT_TESTS", 60)
LIMIT_SYNCS = env_int("LIMIT_SYNCS", 60)
LIMIT_RESYNCS = env_int("LIMIT_RESYNCS", 240)
LIMIT_LOOKUPS = env_int("LIMIT_LOOKUPS", 240)
LIMIT_IMPORTS = env_int("LIMIT_IMPORTS", 240)
LIMIT_REPORTS = env_int("LIMIT_REPORTS", 20)
LIMIT_INVITATIONS = env_int("LIMIT_INVITATIONS", 100)
LIMIT_EXPORTS = env_int("LIMIT_EXPORTS", 60)
#: Which part of each a person may use alone, with all their tokens.
LIMIT_PERSON_PERCENT = env_int("LIMIT_PERSON_PERCENT", 100)
#: How many wrong tokens an address may send within a minute (audit_site.api.wrong_tokens).
LIMIT_WRONG_TOKENS = env_int("LIMIT_WRONG_TOKENS", 30)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "django_structlog",
    "audit_site.tenants",
    "audit_site.api",
    "audit_site.pages",
    "audit_site.doctor",
    "companies",
    "agreements",
    "integrations",
    "audit_site.privacy",
]

MIDDLEWARE = [
    "audit_site.health.HealthMiddleware",
    "audit_site.response_headers.ResponseHeadersMiddleware",
    "audit_site.client_address.ClientAddressMiddleware",
    "audit_site.api.middleware.RequestIdMiddleware",
    "audit_site.tenants.origin.OriginMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "audit_site.api.middleware.ApiErrorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "audit_site.pages.assets.AssetMiddleware",
    "audit_site.pages.compression.PageCompressionMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "audit_site.tenants.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "audit_site.tenants.sign_in_state.SignInStateMiddleware",
    "audit_site.request_log.RequestLogMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "audit_site.tenants.middleware.MembershipMiddleware",
    "audit_site.tenants.two_factor.TwoFactorMiddleware",
]

ROOT_URLCONF = "audit_site.urls"
WSGI_APPLICATION = "audit_site.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "audit_site.pages.context.tenant",
                "companies.web.context.licence_meter",
                "integrations.web.context.connections",
            ],
        },
    }
]

# Database: SQLite under var/ unless DATABASE_URL says otherwise
_sqlite_wal = sqlite3.sqlite_version_info >= (3, 51, 3)  # older: WAL-reset bug with two writers
_sqlite_options = {
    "transaction_mode": "IMMEDIATE",  # a deferred one that turns into a writer fails at once
    "timeout": 20,
    "init_command": (
        "PRAGMA secure_delete=ON;"  # what is deleted is gone from the file, too
        + (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            if _sqlite_wal
            else "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL;"
        )
    ),
}


def _parse_database(name: str, default: str) -> dict[str, Any]:
    try:
        found = dj_database_url.parse(
            env_text(name) or default, conn_max_age=60, conn_health_checks=True
        )
    except (dj_database_url.ParseError, ValueError):
        raise ImproperlyConfigured(
            f"{name} can't be read. It looks like postgres://user:password@host:5432/name."
        ) from None
    parsed = {"OPTIONS": {}, **found}
    if parsed["ENGINE"] == "django.db.backends.postgresql":
        parsed["ENGINE"] = "audit_site.db.postgresql"  # says with each transaction who asks
        parsed["DISABLE_SERVER_SIDE_CURSORS"] = True  # one would outlive its transaction
    return parsed


_database = _parse_database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'audit.sqlite3'}")
_owner = _parse_database("DATABASE_OWNER_URL", "") if env_text("DATABASE_OWNER_URL") else _database
#: How `migrate` signs in, as the owner of the tables, where that differs from the application.
DATABASE_OWNER = {"OPTIONS": _owner["OPTIONS"]} | {
    name: _owner.get(name)
    for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    if _owner.get(name) != _database.get(name)
}
#: In which role statements run, where DATABASE_URL signs in as one that may do more.
DATABASE_ROLE = env_text("DATABASE_ROLE")
if DATABASE_ROLE and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", DATABASE_ROLE):
    raise ImproperlyConfigured(
        "DATABASE_ROLE must be the name of a role in small letters, digits and underscores."
    )
#: Whom `migrate` grants what the application does; "" where there are no roles.
DATABASE_APPLICATION_ROLE = ""
DATABASES = {"default": dict(_database)}
if _database["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = _sqlite_options
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # threads share a file
else:
    DATABASE_APPLICATION_ROLE = DATABASE_ROLE or _database.get("USER", "")
    if DATABASE_ROLE:
        DATABASES["default"]["OPTIONS"] = {**_database["OPTIONS"], "assume_role": DATABASE_ROLE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Jobs: Redis or another broker by CELERY_BROKER_URL, else folders under var/broker
CELERY_BROKER_URL = env_text("CELERY_BROKER_URL") or "filesystem://"
#: Made when Django starts (audit_site.folders), readable by nobody else.
PRIVATE_FOLDERS = [VAR_DIR]
_uses_redis = CELERY_BROKER_URL.startswith(("redis://", "rediss://"))
if CELERY_BROKER_URL.startswith("filesystem:"):
    _broker_dir = VAR_DIR / "broker"
    PRIVATE_FOLDERS += [_broker_dir, _broker_dir / "queue", _broker_dir / "control"]
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker_dir / "queue"),
        "data_folder_out": str(_broker_dir / "queue"),
        "control_folder": str(_broker_dir / "control"),
        "store_processed": False,
        "polling_interval": 0.1,  # the transport's own 1.0 lets two tasks a second through
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 3}
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 4  # the clock, mail: what no lane takes
#: How many syncs, and how much of what a person waits for, a worker carries out at once.
SYNC_THREADS = env_int("SYNC_THREADS", 4)
URGENT_THREADS = env_int("URGENT_THREADS", 4)
#: And how much of one tenant's all workers carry out at once, so that the others get their turn.
SYNCS_A_TENANT = env_int("SYNCS_A_TENANT", 2)
URGENT_A_TENANT = env_int("URGENT_A_TENANT", 3)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "integrations.sweep", "schedule": 5.0, "options": {"expires": 30}},
    "dispatch_due": {
        "task": "integrations.dispatch_due",
        "schedule": 15.0,
        "options": {"expires": 30},
    },
    "pass_days": {"task": "agreements.pass_days", "schedule": 300.0, "options": {"expires": 290}},
    "send_reports": {
        "task": "agreements.send_reports",
        "schedule": 300.0,
        "options": {"expires": 290},
    },
    "follow_words": {
        "task": "integrations.follow_words",
        "schedule": 120.0,
        "options": {"expires": 110},
    },
    "forget_old": {"task": "privacy.forget_old", "schedule": 1800.0, "options": {"expires": 1790}},
    "remind_of_address_changes": {
        "task": "integrations.remind_of_address_changes",
        "schedule": 3600.0,
    },
    "sum_up_marks": {
        "task": "tenants.sum_up_marks",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    "send_invitations": {
        "task": "tenants.send_invitations",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
}

# Shared by all processes: rate limits of sign-in and API
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CELERY_BROKER_URL,
    }
    if _uses_redis
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},  # more than limits and tokens of a small site need
    }
}

# Who signs in, and how
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {
        "NAME": "audit_site.tenants.passwords.GuessablePasswordValidator",
        "OPTIONS": {"min_length": 10},
    },
]
ACCOUNT_ADAPTER = "audit_site.tenants.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # nobody signs up: an address is proved by an invitation
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = (
    # allauth's own writes an unproved address into the account when anybody asks for a link
    "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105  a path
)
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None  # asked for: “Stay signed in”
ACCOUNT_FORMS = {
    "reset_password": "audit_site.tenants.sign_in_forms.ResetPasswordForm",
    "change_password": "audit_site.tenants.sign_in_forms.ChangePasswordForm",
    "set_password": "audit_site.tenants.sign_in_forms.SetPasswordForm",
    "reset_password_from_key": "audit_site.tenants.sign_in_forms.ResetPasswordKeyForm",
    "reauthenticate": "audit_site.tenants.sign_in_forms.PasswordAgainForm",
}
#: Guesses are counted by audit_site.tenants.tries, which locks nobody else out.
ACCOUNT_RATE_LIMITS = dict.fromkeys(
    ("login", "login_failed", "reset_password", "reset_password_from_key", "reauthenticate")
)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
PASSWORD_RESET_TIMEOUT = 24 * 3600
MFA_ADAPTER = "audit_site.tenants.sign_in.TwoFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "audIT"
MFA_TOTP_TOLERANCE = 1  # a clock may be half a minute off (RFC 6238)
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # nobody signs up, so that nobody claims another's address
MFA_RATE_LIMITS = {"webauthn_login": None}
MFA_FORMS = {
    "activate_totp": "audit_site.tenants.sign_in_forms.AddAppForm",
    "authenticate": "audit_site.tenants.sign_in_forms.CodeForm",
    "reauthenticate": "audit_site.tenants.sign_in_forms.CodeAgainForm",
    "authenticate_webauthn": "audit_site.tenants.sign_in_forms.PasskeyForm",
    "reauthenticate_webauthn": "audit_site.tenants.sign_in_forms.PasskeyAgainForm",
    "login_webauthn": "audit_site.tenants.sign_in_forms.PasskeySignInForm",
    "add_webauthn": "audit_site.tenants.sign_in_forms.AddPasskeyForm",
}

# Sessions: gone with the browser unless one stays signed in, and limited on the server
SESSION_ENGINE = "audit_site.tenants.sessions"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
#: Not used for so long, or begun so long ago: then one signs in again.
SESSION_IDLE_HOURS = env_int("SESSION_IDLE_HOURS", 12)
SESSION_MAX_DAYS = env_int("SESSION_MAX_DAYS", 14)
_cookie_prefix = "__Host-" if IS_HTTPS else ""  # no other host and no http page can set such one
SESSION_COOKIE_NAME = f"{_cookie_prefix}sessionid"
CSRF_COOKIE_NAME = f"{_cookie_prefix}csrftoken"
DEVICE_COOKIE_NAME = f"{_cookie_prefix}known-device"

# E-mail: to the server that EMAIL_HOST names, else to the log
EMAIL_HOST = env_text("EMAIL_HOST")
EMAIL_PORT = env_int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env_text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD")
_encrypts = env_bool("EMAIL_USE_TLS", default=True)
EMAIL_USE_SSL = _encrypts and EMAIL_PORT == 465  # encrypted from the first byte
EMAIL_USE_TLS = _encrypts and not EMAIL_USE_SSL
EMAIL_TIMEOUT = 20
EMAIL_BACKEND = env_text("EMAIL_BACKEND") or (
    f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
)
DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", HELP_EMAIL)

# Security
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)/$"]
#: How many proxies stand in front, each of which adds to X-Forwarded-For.
TRUST_PROXY = env_int("TRUST_PROXY", 0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY > 0 else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CORS_ALLOWED_ORIGINS = env_list("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "content-type", "x-request-id"),
    *("idempotency-key", "if-match", "if-none-match"),
)
CORS_EXPOSE_HEADERS = (
    *("ETag", "Retry-After", "RateLimit", "RateLimit-Policy"),
    *("X-Request-Id", "Idempotent-Replay"),
)

# REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "audit_site.api.authentication.BearerAuthentication",
        "audit_site.api.authentication.BrowserSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["audit_site.api.permissions.IsViewer"],
    "DEFAULT_RENDERER_CLASSES": ["audit_site.api.renderers.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["audit_site.api.parsers.BoundedJsonParser"],
    "DEFAULT_PAGINATION_CLASS": "audit_site.api.pagination.Pagination",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "audit_site.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "audit_site.api.problems.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is a parameter like any other
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "audIT PSA integration admin",
    "DESCRIPTION": CONVENTIONS,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "audit_site.api.schema_hooks.complete_objects",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ProblemCode": list(CODES),
        "ImportReasonCode": "integrations.importing.rules.CODES",
        "LeftOutCode": "agreements.mrr.ledger.CODES",
        "MrrWarning": "agreements.mrr.ledger.WARNING_CODES",
        "MovementClass": "agreements.restated.CLASSES",
        "VersionCause": "agreements.causes.KINDS",
        "ImportRejection": "integrations.importing.import_companies.REJECTIONS",
        "LinkWarning": "integrations.links.comparison.WARNING_CODES",
        "PsaKey": [info.key for info in registry.infos()],
        "RecordKind": "integrations.kinds.WORDS",
        "IssueKind": "integrations.issues.inbox.KINDS",
        "ConnectionCheck": "integrations.connecting.checks.NAMES",
        "ImportCheckName": "integrations.importing.rules.CHECK_NAMES",
        "ChangeKind": "integrations.models.SyncEvent.Change",
        "RunReading": "integrations.models.SyncRun.Reading",
        "RunTrigger": "integrations.models.SyncRun.Trigger",
        "RunPhase": "integrations.api.serializers.runs.PHASES",
        "Role": "audit_site.tenants.models.Role",
        "Scope": "audit_site.tenants.models.Scope",
        "PersonState": "audit_site.tenants.people.STATES",
        "AuditActorType": "audit_site.tenants.models.AuditEvent.Actor",
        "TokenAbility": ["delete"],
        "UndoAbility": ["undo"],
        "LinkBatchAbility": ["undo", "bring_back"],
        "AgreementAbility": ["edit", "delete", "choose"],
        "Doubt": "agreements.mrr.doubts.DOUBTS",
        "LineDoubt": ["part_of_cycle"],
        "AuditDoor": "audit_site.tenants.models.AuditEvent.Door",
        "CredentialType": ["text", "url", "secret"],
        "IntegrationStatus": "integrations.models.Integration.Status",
        "CompanyStatus": "companies.models.Company.Status",
        "CompanyType": "companies.models.Company.Type",
        "WordKind": "integrations.words.kinds.KIND_NAMES",
        "RunState": "integrations.models.SyncRun.State",
        "TestState": "integrations.models.ConnectionTest.State",
        "ScheduleEvery": "integrations.models.Integration.Schedule",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

MESSAGE_TAGS = {message_levels.ERROR: "danger", message_levels.DEBUG: "secondary"}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = False

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "audit_site.pages.assets.AssetFinder",
]
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True  # pages work without a collectstatic step
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "audit_site.pages.assets.AssetStorage"},
}

DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestIdMiddleware has made or checked it

# Logs: one JSON object a line; a developer's terminal gets colours with DEBUG on
_shared_processors: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.dev.ConsoleRenderer() if DEBUG else structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": _shared_processors,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": env_text("LOG_LEVEL", "INFO")},
    "loggers": {
        "urllib3": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},  # the folder broker has no host name to warn about
        "django.server": {"level": "WARNING"},
    },
}
structlog.configure(
    processors=[*_shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

if _sentry_dsn := os.environ.get("SENTRY_DSN", ""):
    import sentry_sdk

    sentry_sdk.init(dsn=_sentry_dsn, send_default_pii=False, **error_reports.options())
