"""The context object: its members, their types, and where they come from."""

from __future__ import annotations

from ..case import Event, Group, Headers

GROUP = Group("context")
W3C = Group("trace context (w3c)")
GROUPS = [GROUP, W3C]

# The event is an expression about `context`; unserialisable values come back as their repr.
_APP = """
    import json, os, types

    def handler(event, context):
        value = eval(event)
        try:
            json.dumps(value)
        except TypeError:
            value = [type(value).__name__, repr(value)]
        return value
"""
_CLIENT = (
    '{"client": {"installation_id": "iid", "app_title": "t", "app_version_name": "vn",'
    ' "app_version_code": "vc", "app_package_name": "pn", "other": 1},'
    ' "custom": {"k": "v", "nested": {"a": [1]}}, "env": {"e": "f"}, "unknown": true}'
)
_IDENTITY = '{"cognitoIdentityId": "id1", "cognitoIdentityPoolId": "pool1", "other": 1}'


def _client(text: str) -> Headers:
    return {"Lambda-Runtime-Client-Context": text}


def _identity(text: str) -> Headers:
    return {"Lambda-Runtime-Cognito-Identity": text}


plain = GROUP.share(_APP)
for name, expression in (
    ("aws_request_id", "context.aws_request_id"),
    ("log_group_name", "context.log_group_name"),
    ("log_stream_name", "context.log_stream_name"),
    ("function_name", "context.function_name"),
    ("function_version", "context.function_version"),
    ("memory_limit_in_mb is text", "context.memory_limit_in_mb"),
    ("invoked_function_arn", "context.invoked_function_arn"),
    ("client_context is None without a header", "context.client_context"),
    ("tenant_id is None without a header", "context.tenant_id"),
    ("identity is there without a header", "[context.identity.cognito_identity_id, str(context.identity)]"),
    ("its repr", "repr(context)"),
    ("its str", "str(context)"),
    ("the name of its class", "type(context).__name__"),
    ("the name of identity's class", "type(context.identity).__name__"),
    ("the types of its members", "{k: type(v).__name__ for k, v in sorted(vars(context).items())}"),
    ("its public names", "sorted(name for name in dir(context) if not name.startswith('_'))"),
    ("its own attributes, in order", "[name for name in vars(context)]"),
    ("get_remaining_time_in_millis is an int", "type(context.get_remaining_time_in_millis()).__name__"),
    ("get_remaining_time_in_millis is near", "20_000 < context.get_remaining_time_in_millis() <= 30_000"),
    ("get_remaining_time_in_millis takes no arguments", "context.get_remaining_time_in_millis(1)"),
    ("its deadline", "type(context._epoch_deadline_time_in_ms).__name__"),
    ("a new attribute", "[setattr(context, 'mine', 1), context.mine]"),
    ("an attribute replaced", "[setattr(context, 'function_name', 'x'), context.function_name]"),
    ("an attribute that it lacks", "context.nothing"),
    ("its module's classes are shared", "type(context) is type(context)"),
    ("it is not equal to another", "context == object()"),
    ("it is hashable", "isinstance(hash(context), int)"),
    ("identity has slots", "setattr(context.identity, 'mine', 1)"),
    ("identity's slots", "sorted(type(context.identity).__slots__)"),
    ("log returns nothing", "context.log('')"),
    ("w3c is empty without a header", "context.w3c()"),
):
    plain.case(f"context: {name}", '"' + expression + '"')

for name, headers, expression in (
    ("client", _client(_CLIENT), "str(context.client_context.client)"),
    ("the whole repr", _client(_CLIENT), "repr(context.client_context)"),
    ("custom is a dict", _client(_CLIENT), "context.client_context.custom"),
    ("env is a dict", _client(_CLIENT), "context.client_context.env"),
    ("a member of client", _client(_CLIENT), "context.client_context.client.installation_id"),
    ("unknown members are dropped", _client(_CLIENT), "context.client_context.unknown"),
    ("unknown members of client are dropped", _client(_CLIENT), "context.client_context.client.other"),
    ("it has slots", _client(_CLIENT), "setattr(context.client_context, 'mine', 1)"),
    ("client has slots", _client(_CLIENT), "setattr(context.client_context.client, 'mine', 1)"),
    ("its slots", _client(_CLIENT), "sorted(type(context.client_context).__slots__)"),
    ("client's slots", _client(_CLIENT), "sorted(type(context.client_context.client).__slots__)"),
    (
        "the classes' names",
        _client(_CLIENT),
        "[type(context.client_context).__name__, type(context.client_context.client).__name__]",
    ),
    ("within the context's repr", _client(_CLIENT), "repr(context)"),
    ("an empty object", _client("{}"), "repr(context.client_context)"),
    ("client is empty", _client('{"client": {}}'), "repr(context.client_context)"),
    ("client is null", _client('{"client": null}'), "repr(context.client_context)"),
    ("client is a list", _client('{"client": []}'), "repr(context.client_context)"),
    ("client is text", _client('{"client": "x"}'), "repr(context.client_context)"),
    ("client is a number", _client('{"client": 1}'), "repr(context.client_context)"),
    ("custom is a list", _client('{"custom": [1], "env": "e"}'), "repr(context.client_context)"),
    ("only custom", _client('{"custom": {"a": 1}}'), "repr(context.client_context)"),
    ("null", _client("null"), "context.client_context"),
    ("false", _client("false"), "context.client_context"),
    ("zero", _client("0"), "context.client_context"),
    ("a number", _client("1"), "context.client_context"),
    ("a string", _client('"text"'), "context.client_context"),
    ("a list", _client("[]"), "context.client_context"),
    ("an empty header", _client(""), "context.client_context"),
    ("not JSON", _client("nope"), "context.client_context"),
    ("half of JSON", _client('{"custom": '), "context.client_context"),
    ("more than JSON", _client("{} x"), "context.client_context"),
    ("NaN", _client('{"custom": {"n": NaN}}'), "repr(context.client_context)"),
    ("non-ASCII text", _client('{"custom": {"k": "hé 中 \U0001f600"}}'), "context.client_context.custom"),
    ("an escaped surrogate", _client('{"custom": {"k": "\\ud800"}}'), "repr(context.client_context.custom)"),
    (
        "large numbers",
        _client('{"custom": {"k": [1.10, 123456789012345678901]}}'),
        "context.client_context.custom",
    ),
    ("a repeated key", _client('{"custom": {"k": 1, "k": 2}}'), "context.client_context.custom"),
):
    plain.case(f"client context: {name}", '"' + expression + '"', headers)

for name, headers, expression in (
    ("both ids", _identity(_IDENTITY), "str(context.identity)"),
    ("an id", _identity(_IDENTITY), "context.identity.cognito_identity_id"),
    ("a pool id", _identity(_IDENTITY), "context.identity.cognito_identity_pool_id"),
    ("unknown members are dropped", _identity(_IDENTITY), "context.identity.other"),
    ("an empty object", _identity("{}"), "str(context.identity)"),
    ("only one id", _identity('{"cognitoIdentityId": "x"}'), "str(context.identity)"),
    ("the names of Python", _identity('{"cognito_identity_id": "x"}'), "str(context.identity)"),
    ("a number as id", _identity('{"cognitoIdentityId": 1}'), "[context.identity.cognito_identity_id]"),
    ("null", _identity("null"), "str(context.identity)"),
    ("an empty header", _identity(""), "str(context.identity)"),
    ("a list", _identity("[]"), "str(context.identity)"),
    ("a number", _identity("1"), "str(context.identity)"),
    ("a string", _identity('"x"'), "str(context.identity)"),
    ("not JSON", _identity("nope"), "str(context.identity)"),
    ("both headers bad", {**_client("bad"), **_identity("bad")}, "1"),
):
    plain.case(f"identity: {name}", '"' + expression + '"', headers)

for name, headers, expression in (
    ("the tenant id", {"Lambda-Runtime-Aws-Tenant-Id": "blue"}, "context.tenant_id"),
    ("the tenant id in the repr", {"Lambda-Runtime-Aws-Tenant-Id": "blue"}, "repr(context)"),
    ("a tenant id with non-ASCII letters", {"Lambda-Runtime-Aws-Tenant-Id": "té"}, "context.tenant_id"),
    ("an empty tenant id", {"Lambda-Runtime-Aws-Tenant-Id": ""}, "context.tenant_id"),
    ("no ARN", {"Lambda-Runtime-Invoked-Function-Arn": None}, "context.invoked_function_arn"),
    ("an empty ARN", {"Lambda-Runtime-Invoked-Function-Arn": ""}, "context.invoked_function_arn"),
    (
        "a deadline in the past",
        {"Lambda-Runtime-Deadline-Ms": "1415836801003"},
        "context.get_remaining_time_in_millis()",
    ),
    (
        "the deadline as a number",
        {"Lambda-Runtime-Deadline-Ms": "1415836801003"},
        "context._epoch_deadline_time_in_ms",
    ),
    (
        "no deadline",
        {"Lambda-Runtime-Deadline-Ms": None},
        "[context._epoch_deadline_time_in_ms, context.get_remaining_time_in_millis()]",
    ),
    (
        "headers in lower case",
        {"Lambda-Runtime-Aws-Tenant-Id": None, "lambda-runtime-aws-tenant-id": "x"},
        "context.tenant_id",
    ),
    ("an empty trace id", {"Lambda-Runtime-Trace-Id": ""}, "os.environ.get('_X_AMZN_TRACE_ID')"),
    (
        "a trace id",
        {"Lambda-Runtime-Trace-Id": "Root=1-2-3;Parent=4;Sampled=1"},
        "os.environ['_X_AMZN_TRACE_ID']",
    ),
    (
        "a trace id with lineage",
        {"Lambda-Runtime-Trace-Id": "Root=1-2-3;Sampled=0;Lineage=a:1|b:2"},
        "os.environ['_X_AMZN_TRACE_ID']",
    ),
    ("no trace id", {}, "os.environ.get('_X_AMZN_TRACE_ID')"),
    ("an unknown header", {"Lambda-Runtime-Something-New": "x"}, "len(vars(context))"),
    ("a durable execution's header", {"Lambda-Runtime-Durable": "x"}, "context.aws_request_id"),
):
    plain.case(f"headers: {name}", '"' + expression + '"', headers)

w3c = W3C.share(_APP)
for name, header in (
    ("all three fields", '{"w3c": {"traceparent": "00-a-b-01", "tracestate": "x=1", "baggage": "k=v"}}'),
    ("another field", '{"w3c": {"traceparent": "00-a-b-01", "other": "x"}}'),
    ("a field that is not text", '{"w3c": {"traceparent": 1, "tracestate": null, "baggage": "k=v"}}'),
    ("an empty object", '{"w3c": {}}'),
    ("not an object", '{"w3c": "traceparent"}'),
    ("null", '{"w3c": null}'),
    ("beside other members", '{"w3c": {"baggage": "k=v"}, "custom": {"w3c": 1}}'),
    ("within custom only", '{"custom": {"w3c": {"traceparent": "x"}}}'),
):
    w3c.case(f"w3c: {name}", '"[context.w3c(), repr(context.client_context)]"', _client(header))
w3c.case(
    "w3c: each call gives a copy",
    '"[context.w3c().clear(), context.w3c()]"',
    _client('{"w3c": {"baggage": "k=v"}}'),
)

_SHOW = """
    def handler(event, context):
        return [repr(context), context.memory_limit_in_mb]
"""
GROUP.case(
    "context: variables that are not set",
    _SHOW,
    environment={
        "AWS_LAMBDA_FUNCTION_NAME": None,
        "AWS_LAMBDA_FUNCTION_VERSION": None,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": None,
        "AWS_LAMBDA_LOG_GROUP_NAME": None,
        "AWS_LAMBDA_LOG_STREAM_NAME": None,
    },
)
GROUP.case(
    "context: variables that are empty",
    _SHOW,
    environment={"AWS_LAMBDA_FUNCTION_NAME": "", "AWS_LAMBDA_LOG_GROUP_NAME": ""},
)
GROUP.case(
    "context: variables are read for each event",
    """
    import os

    def handler(event, context):
        before = context.function_name
        os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "changed"
        return [before, context.function_name]
    """,
    "1",
    "2",
)
GROUP.case(
    "context: a new object for each event",
    """
    seen = []

    def handler(event, context):
        seen.append(context)
        context.mine = event
        return [[one.mine for one in seen], context.aws_request_id, len(set(map(id, seen)))]
    """,
    "1",
    "2",
)
GROUP.case(
    "context: the remaining time falls",
    """
    import time

    def handler(event, context):
        first = context.get_remaining_time_in_millis()
        time.sleep(0.05)
        return 40 <= first - context.get_remaining_time_in_millis() < 5000
    """,
)
GROUP.case(
    "context: the remaining time is counted with the clock that the function put in place",
    """
    import time

    deadline_ms = 1415836801003

    def handler(event, context):
        time.time = lambda: (deadline_ms - event) / 1000
        return context.get_remaining_time_in_millis()
    """,
    *(
        Event(left.encode(), {"Lambda-Runtime-Deadline-Ms": "1415836801003"})
        for left in ("3000", "1", "0", "-9000")
    ),
)
GROUP.case(
    "context: the deadline is taken from each event",
    "def handler(event, context):\n    return context.get_remaining_time_in_millis() > 0",
    "1",
    Event(b"1", {"Lambda-Runtime-Deadline-Ms": "1"}),
    "1",
)
for name, deadline in (
    ("that is empty", ""),
    ("of zero", "0"),
    ("that is not a number", "soon"),
    ("below zero", "-1"),
):
    GROUP.case(
        f"context: a deadline {name}",
        "def handler(event, context):\n    return context.get_remaining_time_in_millis()",
        Event(b"1", {"Lambda-Runtime-Deadline-Ms": deadline}),
    )
GROUP.case(
    "context: it can be copied and pickled",
    """
    import copy

    def handler(event, context):
        return [repr(copy.copy(context)) == repr(context), repr(copy.deepcopy(context)) == repr(context)]
    """,
)
