# mypy: ignore-errors
"""The module with which a layer of OpenTelemetry replaces the function's handler."""

import importlib
import os

from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

AwsLambdaInstrumentor().instrument(skip_dep_check=True)  # patches ORIG_HANDLER
module, _, name = os.environ["ORIG_HANDLER"].rpartition(".")
lambda_handler = getattr(importlib.import_module(module.replace("/", ".")), name)
