"""The cases, a module for each kind of tool."""

from __future__ import annotations

from conformance.vendors.case import SUITE
from conformance.vendors.cases import datadog, more, opentelemetry, powertools, sentry, web, xray

SUITE.arrange([sentry, powertools, xray, web, opentelemetry, datadog, more])
