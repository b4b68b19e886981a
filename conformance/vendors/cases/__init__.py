"""The cases, a module for each kind of tool."""

from __future__ import annotations

from conformance.vendors.case import CASES
from conformance.vendors.cases import datadog, more, opentelemetry, powertools, sentry, web, xray

MODULES = (sentry, powertools, xray, web, opentelemetry, datadog, more)

ALL_CASES = [one for module in MODULES for one in CASES if one.try_it.__module__ == module.__name__]
