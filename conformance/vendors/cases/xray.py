"""aws-xray-sdk: subsegments below the segment that Lambda itself opens, over UDP."""

from __future__ import annotations

from conformance.expectations import error, expect, expect_in, only_item, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case
from conformance.vendors.receivers import HttpSink, XRayDaemon

PACKAGE = "aws-xray-sdk"
TRACES = ("1-5759e988-bd862e3fe1be46a994272793", "1-67891233-abcdef012345678912345678")


@case(PACKAGE, "each invocation's subsegment has its trace id and parent")
def trace_of_each_invocation(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.handler", environment=environment) as function:
            for number, trace in enumerate(TRACES):
                header = f"Root={trace};Parent={number:016x};Sampled=1"
                expect("result", value(harness.invoke(function, {}, header)), "packed")
            segments = daemon.segments(2)
    expect("names", [one["name"] for one in segments], ["pack", "pack"])
    expect("trace ids", tuple(one["trace_id"] for one in segments), TRACES)
    expect("parents", [one["parent_id"] for one in segments], [f"{0:016x}", f"{1:016x}"])
    expect("type", segments[0]["type"], "subsegment")
    return f"{len(segments)} subsegments, {len(TRACES)} traces"


@case(PACKAGE, "an invocation that is not sampled sends nothing")
def not_sampled(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.handler", environment=environment) as function:
            expect("result", value(harness.invoke(function, {}, f"Root={TRACES[0]};Sampled=0")), "packed")
            expect("segments", daemon.segments(0), [])
    return "no datagram"


@case(PACKAGE, "a handler's exception is part of its subsegment")
def handler_error(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.fail", environment=environment) as function:
            header = f"Root={TRACES[0]};Parent={1:016x};Sampled=1"
            expect("errorType", error(harness.invoke(function, {}, header))["errorType"], "ValueError")
            segment = only_item("segments", daemon.segments(1))
    exception = only_item("exceptions", segment["cause"]["exceptions"])
    expect("message", exception["message"], "no such order")
    return f"fault, {exception['type']}"


@case(PACKAGE, "a patched HTTP client passes the trace on")
def outgoing_header(harness: Harness) -> Observation:
    with XRayDaemon() as daemon, HttpSink() as sink:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.call_out", environment=environment) as function:
            header = f"Root={TRACES[0]};Parent={1:016x};Sampled=1"
            expect("result", value(harness.invoke(function, {"url": f"{sink.url}/x"}, header)), 200)
            sent = only_item("requests", sink.requests).headers["x-amzn-trace-id"]
            expect_in("header", f"Root={TRACES[0]}", sent)
            names = [one["name"] for one in daemon.segments(2)]
    expect("the function's segment, and its client's", ("call" in names, "127.0.0.1" in names), (True, True))
    return f"X-Amzn-Trace-Id: {sent[:30]}…"


@case(PACKAGE, "a patched HTTP client does not trace the runtime's own requests")
def own_requests(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.handler", environment=environment) as function:
            header = f"Root={TRACES[0]};Parent={1:016x};Sampled=1"
            for _ in range(3):
                harness.invoke(function, {}, header)
            segments = daemon.segments(3)
    expect("names", {one["name"] for one in segments}, {"pack"})
    expect("number", len(segments), 3)
    return f"{len(segments)} segments, all the function's"


@case(PACKAGE, "capture_async around an async handler", not_on_aws="runs no async handlers")
def async_handler(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("xray_function.wait", environment=environment) as function:
            header = f"Root={TRACES[0]};Parent={1:016x};Sampled=1"
            expect("result", value(harness.invoke(function, {}, header)), "waited")
            segment = only_item("segments", daemon.segments(1))
    expect("name", segment["name"], "wait")
    return "one subsegment, wait"
