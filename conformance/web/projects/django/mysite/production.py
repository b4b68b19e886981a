"""The generated settings, changed as Django's deployment checklist demands."""

from .settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", ".execute-api.eu-west-1.amazonaws.com"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
INSTALLED_APPS += ["guestbook"]  # noqa: F405
ROOT_URLCONF = "guestbook.urls"
