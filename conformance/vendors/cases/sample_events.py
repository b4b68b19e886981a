"""The emulator's sample events: Powertools' models and data classes, Mangum and apig-wsgi read them."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any

from lambda_emulator import sample_events as events
from lambda_emulator.servers.event_sources import EVENT_SOURCES, typed_request
from lambda_emulator.servers.function_url import BUFFERED, FunctionUrl

from conformance.expectations import expect, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case

POWERTOOLS = "aws-lambda-powertools"
MODELS = {
    "http-api": "APIGatewayProxyEventV2Model",
    "rest-api": "APIGatewayProxyEventModel",
    "function-url": "LambdaFunctionUrlModel",
    "alb": "AlbModel",
    "sqs": "SqsModel",
    "sns": "SnsModel",
    "kinesis": "KinesisDataStreamModel",
    "dynamodb": "DynamoDBStreamModel",
    "s3": "S3Model",
    "eventbridge": "EventBridgeModel",
    "schedule": "EventBridgeModel",
    "cognito": "CognitoPostConfirmationTriggerModel",
}
WITHOUT_MODEL = {"cloudfront"}
VARIANTS = (
    ("SqsModel", events.sqs("a", {"b": 1}, queue="q.fifo", attributes={"n": 1, "s": "x"})),
    ("SnsModel", events.sns({"b": 1}, subject="s", attributes={"n": 1})),
    ("S3Model", events.s3(event_name="ObjectRemoved:Delete")),
    ("DynamoDBStreamModel", events.dynamodb(None, {"id": 1, "tags": {"a"}, "raw": b"\xff"})),
    ("APIGatewayProxyEventModel", events.rest_api(authorizer={"claims": {"sub": "7"}})),
    ("APIGatewayProxyEventV2Model", events.http_api(authorizer={"jwt": {"claims": {}, "scopes": []}})),
)
# The model, if there is one, and the data class, by the beginning of the trigger's name.
TRIGGERS = {
    "PreSignUp": ("CognitoPreSignupTriggerModel", "PreSignUpTriggerEvent"),
    "PostConfirmation": ("CognitoPostConfirmationTriggerModel", "PostConfirmationTriggerEvent"),
    "PreAuthentication": ("CognitoPreAuthenticationTriggerModel", "PreAuthenticationTriggerEvent"),
    "PostAuthentication": ("CognitoPostAuthenticationTriggerModel", "PostAuthenticationTriggerEvent"),
    "TokenGeneration": ("", "PreTokenGenerationTriggerEvent"),
    "CustomMessage": ("CognitoCustomMessageTriggerModel", "CustomMessageTriggerEvent"),
    "DefineAuthChallenge": ("CognitoDefineAuthChallengeTriggerModel", "DefineAuthChallengeTriggerEvent"),
    "CreateAuthChallenge": ("CognitoCreateAuthChallengeTriggerModel", "CreateAuthChallengeTriggerEvent"),
    "VerifyAuthChallengeResponse": (
        "CognitoVerifyAuthChallengeTriggerModel",
        "VerifyAuthChallengeResponseTriggerEvent",
    ),
    "UserMigration": ("CognitoMigrateUserTriggerModel", "UserMigrationTriggerEvent"),
}
SUFFIXES = {"PreSignUp": "SignUp", "PostConfirmation": "ConfirmSignUp", "CustomMessage": "SignUp"}
REQUEST: dict[str, Any] = {
    "method": "POST",
    "target": "/a?b=c",
    "body": {"n": 1},
    "headers": {"X-Own": "1"},
}
OF_REQUEST = (
    "[view.http_method, view.path, view.json_body, view.headers['x-own'], view.query_string_parameters]"
)
FROM_REQUEST = ["POST", "/a", {"n": 1}, "1", {"b": "c"}]
# The events of requests that the emulator serves.
SERVED = {
    name: json.loads(typed_request(source, "POST", "/a?b=c", [("X-Own", "1")], b'{"n": 1}'))
    for name, source in EVENT_SOURCES.items()
}
# A data class, an event, an expression about it, and the expression's value.
FIELDS = (
    ("APIGatewayProxyEventV2", events.http_api(**REQUEST), OF_REQUEST, FROM_REQUEST),
    ("APIGatewayProxyEvent", events.rest_api(**REQUEST), OF_REQUEST, FROM_REQUEST),
    ("LambdaFunctionUrlEvent", events.function_url(**REQUEST), OF_REQUEST, FROM_REQUEST),
    ("ALBEvent", events.alb(**REQUEST), OF_REQUEST, FROM_REQUEST),
    ("APIGatewayProxyEventV2", SERVED["http-api"], OF_REQUEST, FROM_REQUEST),
    ("APIGatewayProxyEvent", SERVED["rest-api"], OF_REQUEST, FROM_REQUEST),
    ("LambdaFunctionUrlEvent", SERVED["function-url"], OF_REQUEST, FROM_REQUEST),
    ("ALBEvent", SERVED["alb"], OF_REQUEST, FROM_REQUEST),
    (
        "ALBEvent",
        events.alb(target="/?a=1&a=2", multi_value=True),
        "view.resolved_query_string_parameters",
        {"a": ["1", "2"]},
    ),
    ("SQSEvent", events.sqs("a", {"n": 1}), "[one.body for one in view.records]", ["a", '{"n": 1}']),
    ("SNSEvent", events.sns("hi", subject="s"), "view.sns_message + view.record.sns.subject", "his"),
    ("S3Event", events.s3("a b", bucket="c"), "[view.bucket_name, view.object_key]", ["c", "a b"]),
    ("KinesisStreamEvent", events.kinesis({"n": 1}), "next(view.records).kinesis.data_as_json()", {"n": 1}),
    (
        "DynamoDBStreamEvent",
        events.dynamodb({"id": "7"}, {"id": "7", "n": 1}),
        "[(one.event_name.name, one.dynamodb.old_image['id']) for one in view.records]",
        [["MODIFY", "7"]],
    ),
    ("EventBridgeEvent", events.schedule("nightly"), "view.resources[0].rpartition('/')[2]", "nightly"),
)


@case(POWERTOOLS, "models: every sample event is valid")
def valid(harness: Harness) -> Observation:
    expect("events without a model", set(events.EVENTS) - set(MODELS), WITHOUT_MODEL)
    tried = [*((model, events.make(name)) for name, model in MODELS.items()), *VARIANTS]
    tried += [(MODELS[name], event) for name, event in SERVED.items()]
    with harness.function("events_function.validate") as function:
        for model, event in tried:
            expect("model", value(harness.invoke(function, {"model": model, "event": event})), model)
    return f"{len(tried)} events"


@case(POWERTOOLS, "data classes: each reads the fields that were set")
def fields(harness: Harness) -> Observation:
    with harness.function("events_function.read") as function:
        for name, event, expression, expected in FIELDS:
            query = {"class": name, "event": event, "expression": expression}
            expect(name, value(harness.invoke(function, query)), expected)
    return f"{len(FIELDS)} events"


@case(POWERTOOLS, "models and data classes: every trigger of a user pool is valid")
def triggers(harness: Harness) -> Observation:
    for handler, place in (("validate", 0), ("read_all", 1)):
        with harness.function(f"events_function.{handler}") as function:
            for trigger, names in TRIGGERS.items():
                if names[place]:
                    event = events.cognito(f"{trigger}_{SUFFIXES.get(trigger, 'Authentication')}")
                    query = {"model": names[0], "class": names[1], "event": event}
                    value(harness.invoke(function, query))
    return f"{len(TRIGGERS)} triggers"


@case("mangum", "every HTTP event reaches the application")
def mangum(harness: Harness) -> Observation:
    return reach(harness, "web_function.asgi_handler", "/echo", '{"echo":{"n":1}}')


@case("apig-wsgi", "every HTTP event reaches the application")
def apig_wsgi(harness: Harness) -> Observation:
    return reach(harness, "web_function.wsgi_handler", "/echo", 'POST /echo? {"n": 1} ✓')


def reach(harness: Harness, handler: str, path: str, expected: str) -> Observation:
    makers = (events.http_api, events.rest_api, events.function_url, events.alb)
    with harness.function(handler) as function:
        for make in makers:
            response = value(harness.invoke(function, make("POST", path, body={"n": 1})))
            expect(make.__name__, response["body"], expected)
        for name in EVENT_SOURCES:
            url = FunctionUrl(function, invoke_mode=BUFFERED, source=name)
            try:
                connection = HTTPConnection(url.url[len("http://") : -1], timeout=20)
                connection.request("POST", path, b'{"n": 1}', {"Content-Type": "application/json"})
                reply = connection.getresponse()
                expect(f"a request to {name}", reply.read().decode(), expected)
                connection.close()
            finally:
                url.close()
    return f"{len(makers)} events, {len(EVENT_SOURCES)} requests"
