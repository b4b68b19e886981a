# mypy: ignore-errors
"""Uses Powertools for AWS Lambda the way its manual shows."""

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, LambdaFunctionUrlResolver
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.parser import BaseModel, event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="orders")
tracer = Tracer(service="orders")
metrics = Metrics(namespace="Shop", service="orders")
rest = APIGatewayRestResolver()
url = LambdaFunctionUrlResolver()
processor = BatchProcessor(event_type=EventType.SQS)


@logger.inject_lambda_context(log_event=True)
def log(event, context: LambdaContext):
    logger.info("packed", extra={"order": event["order"]})
    return "logged"


@logger.inject_lambda_context
def stream(event, context: LambdaContext):
    for order in event["orders"]:
        logger.info("packed", extra={"order": order})
        yield f"packed {order}\n"


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def observe(event, context: LambdaContext):
    metrics.add_metric(name="Packed", unit=MetricUnit.Count, value=3)
    return pack(event["order"])


@tracer.capture_method
def pack(order):
    tracer.put_annotation(key="order", value=order)
    return f"packed {order}"


@tracer.capture_lambda_handler
def trace_error(event, context):
    raise ValueError("no such order")


@rest.get("/orders/<order>")
def get_order(order: str):
    return {"order": order, "id": rest.lambda_context.aws_request_id}


def serve_rest(event, context):
    return rest.resolve(event, context)


@url.post("/orders")
def post_order():
    return {"received": url.current_event.json_body}, 201


def serve_url(event, context):
    return url.resolve(event, context)


@tracer.capture_method
def handle_record(record):
    if record.json_body["bad"]:
        raise ValueError("bad record")


def work_off(event, context):
    return process_partial_response(
        event=event, record_handler=handle_record, processor=processor, context=context
    )


@event_source(data_class=SQSEvent)
def count_records(event: SQSEvent, context):
    return len(list(event.records))


class Order(BaseModel):
    order: int


@event_parser(model=Order)
def parse(event: Order, context):
    return event.order


def describe_context(event, context: LambdaContext):
    """Return the members of the annotated type that the real object has, with the types of their values."""
    members = [name for name in dir(LambdaContext) if not name.startswith("_")]
    found = {name: getattr(context, name, None) for name in members}
    return {
        name: type(value() if callable(value) else value).__name__ for name, value in sorted(found.items())
    }
