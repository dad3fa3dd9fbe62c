"""Django's settings, read from the environment. Each name is explained in `docs/operating.md`.

Three situations:

- *local*: no SECRET_KEY and DEBUG not set to off. Secrets are made once into `var/secrets.json`,
  so a fresh checkout just runs.
- *debug*: DEBUG=1. Refused as soon as ALLOWED_HOSTS names a host that others can reach.
- *production*: everything else. Each secret must be set, and cookies travel over TLS only.

DEBUG is off unless asked for, also locally: with it Django keeps every query it ever sent.
"""

import os

import environs

from billy import environment
from billy.places import CHECKOUT, VAR

env = environs.Env()
# Read once, with NAME_FILE resolved; environs itself reads nothing but os.environ.
os.environ.update(environment.with_files(os.environ))
for _name in environment.empty_names(os.environ):
    del os.environ[_name]

# --- Who may reach us, and with which secrets -------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
_debug_is_off = "DEBUG" in os.environ and not DEBUG
LOCAL = "SECRET_KEY" not in os.environ and not _debug_is_off
_production = not LOCAL and not DEBUG

_secrets = environment.secret_values(os.environ, strict=_production, local=VAR / "secrets.json")
SECRET_KEY = _secrets["SECRET_KEY"]
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
BILLY_ENCRYPTION_KEYS = environment.encryption_keys(_secrets["BILLY_ENCRYPTION_KEYS"])
BILLY_API_KEY_PEPPERS = environment.peppers(_secrets["BILLY_API_KEY_PEPPERS"])

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
environment.check_hosts(ALLOWED_HOSTS, debug=DEBUG)
BILLY_PUBLIC_URL = env.str("BILLY_PUBLIC_URL", default="").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS", default=[BILLY_PUBLIC_URL] if BILLY_PUBLIC_URL else []
)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _production
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60  # A working day.
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_production)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]  # Asked from inside, without TLS.
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BILLY_BEHIND_PROXY = env.bool("BILLY_BEHIND_PROXY", default=False)
if BILLY_BEHIND_PROXY:
    # Only behind a proxy that sets this header itself: anyone else could claim to use TLS.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # No request of ours is nearly as long.

# --- The rooms ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "audit.apps.AuditConfig",
    "accounts.apps.AccountsConfig",
    "plans.apps.PlansConfig",
    "invoices.apps.InvoicesConfig",
    "schedulers.apps.SchedulersConfig",
    "webhooks.apps.WebhooksConfig",
    "billy.apps.BillyConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # The merchant's own apps, which may hold a billing.py.
    *env.list("BILLY_APPS", default=[]),
]
MIDDLEWARE = [
    "billy.web.naming.RequestName",
    "billy.web.origins.AllowedOrigins",
    "billy.web.addresses.NoCardNumbers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "billy.away.DatabaseAway",
]
ROOT_URLCONF = "billy.urls"
WSGI_APPLICATION = "billy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CHECKOUT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # The few files are served from where they lie; nothing to collect.
APPEND_SLASH = False  # A redirect would turn a POST into a GET.

# --- The database ------------------------------------------------------------------------------

BILLY_STATEMENT_TIMEOUT_SECONDS = env.int("BILLY_STATEMENT_TIMEOUT_SECONDS", default=30)
environment.check_between(
    "BILLY_STATEMENT_TIMEOUT_SECONDS", BILLY_STATEMENT_TIMEOUT_SECONDS, low=0, high=3600
)
DATABASES = {
    "default": environment.database(
        os.environ.get("DATABASE_URL", ""),
        statement_timeout_seconds=BILLY_STATEMENT_TIMEOUT_SECONDS,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# --- Time, words, logs -------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = ["billy.formats"]
LOG_LEVEL = env.str("LOG_LEVEL", default="WARNING").upper()
LOG_FORMAT = env.str("LOG_FORMAT", default="line")
environment.check_one_of("LOG_FORMAT", LOG_FORMAT, ("line", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "billy.logs.Line"},
        "json": {"()": "billy.logs.Json"},
    },
    "filters": {"secrets": {"()": "billy.logs.WithoutSecrets"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["secrets"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Django's own handlers are replaced: one line, one place.
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # A checkpoint must stand outside the database too: a line an hour, whatever the level.
        "audit.checkpoints": {"level": "INFO"},
    },
}

# --- The API -----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # Each view names its own; one that forgets to is closed, not open.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
    "COMPACT_JSON": True,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Billy",
    "VERSION": "1",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/"}],
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["billy.api.schema.complete"],
}

# --- Billy -------------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or REDIS_URL

BILLY_PROCESSOR = env.str("BILLY_PROCESSOR", default="balanced")
BILLY_BALANCED_URL = env.str("BILLY_BALANCED_URL", default="https://api.balancedpayments.com")
BILLY_SHOW_CALLBACK_KEY = env.bool("BILLY_SHOW_CALLBACK_KEY", default=False)
BILLY_OPEN_REGISTRATION = env.bool("BILLY_OPEN_REGISTRATION", default=DEBUG)
BILLY_REVISION = env.str("BILLY_REVISION", default="")
BILLY_ALLOWED_ORIGINS: list[str] = env.list("BILLY_ALLOWED_ORIGINS", default=[])
BILLY_WEBHOOKS_LOCAL = env.bool("BILLY_WEBHOOKS_LOCAL", default=False)
BILLY_REQUESTS_PER_SECOND = env.float("BILLY_REQUESTS_PER_SECOND", default=200.0)
BILLY_REQUESTS_AT_ONCE = env.int("BILLY_REQUESTS_AT_ONCE", default=2000)
BILLY_SCHEDULERS_PER_COMPANY = env.int("BILLY_SCHEDULERS_PER_COMPANY", default=1_000_000)

BILLY_TICK_SECONDS = env.float("BILLY_TICK_SECONDS", default=2.0)
BILLY_SWEEP_SECONDS = env.float("BILLY_SWEEP_SECONDS", default=15.0)
BILLY_POLL_SECONDS = env.float("BILLY_POLL_SECONDS", default=15.0)
BILLY_LEASE_SECONDS = env.float("BILLY_LEASE_SECONDS", default=120.0)
BILLY_CONNECT_TIMEOUT_SECONDS = env.float("BILLY_CONNECT_TIMEOUT_SECONDS", default=3.0)
BILLY_CALL_TIMEOUT_SECONDS = env.float("BILLY_CALL_TIMEOUT_SECONDS", default=15.0)
BILLY_PRICING_SECONDS = env.float("BILLY_PRICING_SECONDS", default=5.0)
BILLY_BATCH_SIZE = env.int("BILLY_BATCH_SIZE", default=500)
BILLY_CALLS_AT_ONCE = env.int("BILLY_CALLS_AT_ONCE", default=32)
BILLY_LOOK_SECONDS = environment.seconds_list(
    "BILLY_LOOK_SECONDS", env.str("BILLY_LOOK_SECONDS", default="2,10,60,300,900,3600x24,86400x6")
)
BILLY_PENDING_LOOK_SECONDS = env.int("BILLY_PENDING_LOOK_SECONDS", default=3600)
BILLY_FENCE = env.bool("BILLY_FENCE", default=True)
BILLY_FENCE_FILE = env.str("BILLY_FENCE_FILE", default=str(VAR / "fence.json") if LOCAL else "")
BILLY_CLOCK_SKEW_SECONDS = env.float("BILLY_CLOCK_SKEW_SECONDS", default=60.0)
BILLY_CALLBACKS_PER_SECOND = env.float("BILLY_CALLBACKS_PER_SECOND", default=100.0)
BILLY_CALLBACKS_AT_ONCE = env.int("BILLY_CALLBACKS_AT_ONCE", default=1000)

for _name, _value, _low, _high in (
    ("BILLY_CALLBACKS_PER_SECOND", BILLY_CALLBACKS_PER_SECOND, 0.1, 100_000),
    ("BILLY_CALLBACKS_AT_ONCE", BILLY_CALLBACKS_AT_ONCE, 1, 1_000_000),
    ("BILLY_REQUESTS_PER_SECOND", BILLY_REQUESTS_PER_SECOND, 0.1, 1_000_000),
    ("BILLY_REQUESTS_AT_ONCE", BILLY_REQUESTS_AT_ONCE, 1, 1_000_000),
    ("BILLY_SCHEDULERS_PER_COMPANY", BILLY_SCHEDULERS_PER_COMPANY, 1, 1_000_000_000),
    ("BILLY_PENDING_LOOK_SECONDS", BILLY_PENDING_LOOK_SECONDS, 1, 86_400),
    ("BILLY_CLOCK_SKEW_SECONDS", BILLY_CLOCK_SKEW_SECONDS, 1, 86_400),
    ("BILLY_TICK_SECONDS", BILLY_TICK_SECONDS, 0.05, 3600),
    ("BILLY_SWEEP_SECONDS", BILLY_SWEEP_SECONDS, 0.05, 3600),
    ("BILLY_POLL_SECONDS", BILLY_POLL_SECONDS, 0.05, 3600),
    ("BILLY_CONNECT_TIMEOUT_SECONDS", BILLY_CONNECT_TIMEOUT_SECONDS, 0.05, 60),
    # A job is killed after 90 seconds; a call must have ended well before.
    ("BILLY_CALL_TIMEOUT_SECONDS", BILLY_CALL_TIMEOUT_SECONDS, 0.05, 60),
    ("BILLY_PRICING_SECONDS", BILLY_PRICING_SECONDS, 0.01, 60),
    # A lease that ends while its call may still be on the wire could pay twice, and one that leaves
    # no time to begin a call would never send anything.
    (
        "BILLY_LEASE_SECONDS",
        BILLY_LEASE_SECONDS,
        BILLY_CONNECT_TIMEOUT_SECONDS + BILLY_CALL_TIMEOUT_SECONDS + 3,
        3600,
    ),
    ("BILLY_BATCH_SIZE", BILLY_BATCH_SIZE, 1, 5000),
    ("BILLY_CALLS_AT_ONCE", BILLY_CALLS_AT_ONCE, 1, 200),
):
    environment.check_between(_name, _value, low=_low, high=_high)
