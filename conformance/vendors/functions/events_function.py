# mypy: ignore-errors
"""Read an event with the models and the data classes of Powertools."""

from aws_lambda_powertools.utilities import data_classes
from aws_lambda_powertools.utilities.data_classes import cognito_user_pool_event
from aws_lambda_powertools.utilities.parser import models, parse


def validate(event, context):
    """Parse ``event["event"]`` with the model of this name, which fails if it is not valid."""
    return type(parse(event=event["event"], model=getattr(models, event["model"]))).__name__


def read(event, context):
    """Return the value of the expression about ``view``, the data class of this name."""
    module = cognito_user_pool_event if event["class"].endswith("TriggerEvent") else data_classes
    return eval(event["expression"], {"view": getattr(module, event["class"])(event["event"])})


def read_all(event, context):
    """Read every property of a trigger's request and response: one of a missing member raises KeyError."""
    view = getattr(cognito_user_pool_event, event["class"])(event["event"])
    parts = [view, view.request, *([view.response] if hasattr(view, "response") else [])]
    return [
        name
        for part in parts
        for name, member in vars(type(part)).items()
        if isinstance(member, property) and (getattr(part, name), True)
    ]
