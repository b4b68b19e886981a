"""The page of `make serve` in Chromium: what a developer does with it, and what goes wrong."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Browser, expect  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.browser.conftest import Open
from conformance.browser.harness import Emulator, emulator


def waiting(path: Path, **more: str) -> str:
    return json.dumps({"wait": str(path), **more})


def test_invokes_and_shows_response_log_and_figures(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.invoke('{"number": 12345678901234567890, "text": "Größe"}')
    one.text("#response").to_have_text('{\n  "number": 12345678901234567890,\n  "text": "Größe"\n}')
    one.text("#log").to_contain_text("handling 2 members\n")
    for figure in ("Duration", "Billed", "Init", "/ 128 MB", "Environment#", "Request id"):
        one.text("#figures").to_contain_text(figure)
    expect(one.page.locator("#rows tr").first.locator("button")).to_have_attribute("aria-current", "true")


def test_a_sample_event_is_two_clicks_away(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.page.select_option("#source", label="sqs")
    one.page.click("#invoke")
    one.text("#outcome").to_contain_text("success")
    one.text("#response").to_contain_text('"eventSource": "aws:sqs"')
    expect(one.page.locator("#rows tr").first).to_contain_text("sqs")


def test_shows_each_chunk_of_a_stream_when_it_arrives(
    visit: Open, server: Emulator, signal_file: Path
) -> None:
    one = visit(server)
    one.page.select_option("#function", "stream")
    one.page.fill("#event", waiting(signal_file))
    one.page.click("#invoke")
    chunks = one.page.locator("#chunks li")
    expect(chunks).to_have_count(1)
    expect(chunks).to_contain_text("the first part")
    one.text("#outcome").to_have_text("running …")
    expect(one.page.locator(".slot.busy")).to_have_count(1)
    signal_file.touch()
    one.text("#outcome").to_contain_text("success")
    assert one.page.locator("#chunks").inner_text().count("+") >= 2
    one.text("#chunks").to_contain_text("the größte")
    one.text("#chunks").to_contain_text("and the last")
    expect(one.page.locator("#chunks time").first).to_have_text(re.compile(r"^\+[\d.]+ (ms|s)$"))
    one.text("#log").to_contain_text("streaming")
    one.text("#slots-note").to_have_text("0 of 4 slots busy")


def test_a_stream_that_fails_midway_shows_its_parts_and_the_error(
    visit: Open, server: Emulator, signal_file: Path
) -> None:
    signal_file.touch()
    one = visit(server)
    one.page.select_option("#function", "stream")
    one.page.fill("#event", waiting(signal_file, fail="yes"))
    one.page.click("#invoke")
    one.text("#outcome").to_contain_text("error")
    one.text("#response").to_contain_text("ValueError: midway")
    one.text("#log").to_contain_text("REPORT")


def test_waiting_can_be_stopped(visit: Open, server: Emulator, signal_file: Path) -> None:
    one = visit(server)
    one.page.fill("#event", waiting(signal_file))
    one.page.click("#invoke")
    one.page.click("#panel-event .stop")
    one.text("#outcome").to_have_text("stopped waiting")
    expect(one.page.locator("#invoke")).to_be_focused()


def test_shows_why_a_function_failed(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.invoke('{"fail": "no price"}', "error")
    one.text("#response").to_contain_text("ValueError: no price\n")
    one.text("#response").to_contain_text('raise ValueError(event["fail"])')
    assert "[ERROR] ValueError: no price\nTraceback (most recent call last):\n" in one.page.inner_text("#log")
    expect(one.page.locator("#rows tr").first).to_contain_text("error")


def test_nothing_from_the_function_is_markup(visit: Open, server: Emulator) -> None:
    one = visit(server)
    for event, outcome in (('{"hostile": "return"}', "success"), ('{"hostile": "error"}', "error")):
        one.invoke(event, outcome)
        for place in ("#response", "#log"):
            one.text(place).to_contain_text("<script>window.hacked = 1</script>")
            one.text(place).to_contain_text("</textarea></pre>")
        one.text("#log").to_contain_text(" red ␛]0;title␇ ⟨U+202E⟩gnp.exe")
    one.page.click("#tab-http")
    one.page.fill("#path", "/<script>window.hacked=1</script>?a=<img%20src=x%20onerror=window.hacked=2>")
    one.page.fill("#body", '{"hostile": "return"}</textarea><script>window.hacked=1</script>')
    one.page.click("#request")
    one.text("#response").to_contain_text("</textarea><script>window.hacked=1</script>")
    expect(one.page.locator("#rows tr").first).to_contain_text("GET /<script>window.hacked=1</script>")
    one.page.locator("#rows button").first.click()
    one.text("#response").to_contain_text("onerror=window.hacked=2")
    one.page.click("#again")
    assert "<script>window.hacked=1</script>" in one.page.input_value("#event")
    assert one.page.evaluate("window.hacked") is None
    assert one.page.locator("main img, main script").count() == 0


def test_sends_http_requests_to_the_function_url(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.page.focus("#tab-event")
    one.page.keyboard.press("ArrowRight")
    one.page.select_option("#method", "POST")
    one.page.fill("#path", "no slash")
    one.page.click("#request")
    one.text("#http-problem").to_contain_text("The path must begin with /")
    one.page.fill("#path", "/orders/7?a=b%20c")
    one.page.fill("#headers", "X-Test: yes\nno colon")
    one.page.click("#request")
    one.text("#http-problem").to_contain_text("“no colon” is not a header")
    one.page.fill("#headers", "X-Test: yes")
    one.page.fill("#body", "Größe")
    one.page.press("#body", "Control+Enter")
    one.text("#outcome").to_contain_text("HTTP 200 after")
    one.text("#head").to_contain_text("content-type: application/json")
    for text in (
        '"rawPath": "/orders/7"',
        '"rawQueryString": "a=b%20c"',
        '"x-test": "yes"',
        '"body": "Größe"',
    ):
        one.text("#response").to_contain_text(text)
    one.text("#log").to_contain_text("REPORT")
    expect(one.page.locator("#rows tr").first).to_contain_text("POST /orders/7")


def test_keeps_events_and_explains_one_that_is_not_json(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.page.fill("#event", '{"a":[1,\n2,,3]}')
    one.page.click("#invoke")
    problem = "The event is not JSON: line 2, column 3: expected a value, found ,3]}"
    one.text("#event-problem").to_have_text(problem)
    expect(one.page.locator("#event")).to_be_focused()
    expect(one.page.locator("#event")).to_have_attribute("aria-invalid", "true")
    for text, found in (
        ("", "line 1, column 1: expected a value, found the end"),
        ('{"a": 1} x', "line 1, column 10: expected the end, found x"),
        ('{"a": 01}', "line 1, column 8: expected , or }, found 1}"),
        ("{'a': 1}", "line 1, column 2: expected a name in quotes or }, found 'a': 1}"),
        ('[{"a": "b\nc"}]', 'line 1, column 8: expected a value, found "b'),
        ('{"a": [1, 2}', "line 1, column 12: expected , or ], found }"),
        ('{"a" 1}', "line 1, column 6: expected :, found 1}"),
        ('{"a": 1,}', "line 1, column 9: expected a name in quotes, found }"),
        ("[NaN]", "line 1, column 2: expected a value or ], found NaN]"),
    ):
        one.page.fill("#event", text)
        one.page.click("#format")
        one.text("#event-problem").to_have_text(f"The event is not JSON: {found}")
    one.page.fill("#event", '{"kept": 1.10}')
    one.page.fill("#save-name", "__proto__ <b>")
    one.page.click("#save")
    one.text("#save-note").to_contain_text("Saved in this browser as __proto__ <b>")
    one.page.evaluate("""() => {
        const events = JSON.parse(localStorage.getItem('lambda-emulator.events'));
        localStorage.setItem('lambda-emulator.events', JSON.stringify({...events, broken: '{"a": tru'}));
    }""")
    one.page.reload()
    one.page.select_option("#source", "saved:__proto__ <b>")
    assert one.page.input_value("#event") == '{"kept": 1.10}'
    one.page.select_option("#source", "saved:broken")
    one.text("#event-problem").to_have_text(
        "The event is not JSON: line 1, column 7: expected a value, found tru"
    )
    one.page.click("#delete")
    expect(one.page.locator("#saved option")).to_have_count(1)
    one.page.evaluate("localStorage.setItem('lambda-emulator.events', 'not JSON')")
    one.page.reload()
    one.text("#connection").to_have_text("Connected")
    expect(one.page.locator("#saved option")).to_have_count(0)


def test_queues_an_asynchronous_event(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.page.check("#asynchronous")
    one.page.fill("#event", '{"later": true}')
    one.page.click("#invoke")
    one.text("#outcome").to_contain_text("queued")
    one.text("#log").to_contain_text("handling 1 members")


def test_shows_the_last_hundred_invocations_of_all_clients(visit: Open, server: Emulator) -> None:
    one = visit(server)
    for number in range(120):
        server.invoke(f'{{"number": {number}}}')
    server.invoke('{"fail": "the newest"}')
    rows = one.page.locator("#rows tr")
    expect(rows.first).to_contain_text("error")
    expect(rows).to_have_count(100)
    expect(one.page.locator("#chart .hit")).to_have_count(100)
    expect(one.page.locator("#chart .cross")).to_have_count(1)
    expect(one.page.locator("#chart")).to_have_attribute(
        "aria-label", re.compile("Chart of the last 100 invocations: .* 1 failure; up to [1-9]")
    )
    rows.nth(1).locator("button").focus()
    one.page.keyboard.press("Enter")
    one.text("#response").to_contain_text('"number": 119')
    server.invoke('{"number": "while a row is focused"}')
    expect(rows.nth(2).locator("button")).to_be_focused()
    one.page.locator("#chart .hit").first.click()
    one.text("#response").to_contain_text('"number": ')


def test_shows_the_slots_of_a_managed_instance_and_separate_logs(
    visit: Open, tmp_path: Path, signal_file: Path
) -> None:
    server = emulator(tmp_path)
    server.mode = ("--managed", "3")
    with server, ThreadPoolExecutor(2) as pool:
        one = visit(server)
        pending = [pool.submit(server.invoke, waiting(signal_file)) for _ in range(2)]
        expect(one.page.locator(".slot.busy")).to_have_count(2)
        expect(one.page.locator(".slot.idle")).to_have_count(1)
        one.text("#environments").to_contain_text("2 of 3 slots busy")
        signal_file.touch()
        assert all(json.loads(each.result()) for each in pending)
        expect(one.page.locator("#rows tr")).to_have_count(2)
        one.page.locator("#rows button").first.click()
        one.text("#log").to_contain_text("platform.report")
        ids = set(re.findall(r'"requestId":"([^"]+)"', one.page.inner_text("#log")))
        assert len(ids) == 1 and ids == {one.page.inner_text("#figures .id dd")}


def test_marks_cold_starts_and_uses_changed_source(visit: Open, tmp_path: Path) -> None:
    with emulator(tmp_path) as server:
        one = visit(server)
        one.invoke('{"a": 1}')
        one.text("#figures").to_contain_text("ms, cold start")
        expect(one.page.locator("#chart .mark")).to_have_count(1)
        one.text("#environments").to_contain_text("#1")
        source = server.setup.task_root / "page_function.py"
        text = source.read_text()
        source.write_text(text.replace("return event", 'return "changed"'))
        one.invoke('{"a": 1}')
        one.text("#response").to_have_text('"changed"')
        expect(one.page.locator("#chart .mark")).to_have_count(2)
        one.text("#environments").to_contain_text("#2")
        source.write_text("raise ImportError('<i>broken</i>')")
        one.page.click("#invoke")
        one.text("#init-error").to_contain_text("function failed to initialize. Correct the function")
        one.text("#init-error").to_contain_text("<i>broken</i>")
        assert one.violations() == []
        source.write_text(text)
        one.invoke('{"a": 1}')
        expect(one.page.locator("#init-error")).to_be_hidden()


def test_says_that_the_server_is_gone_and_connects_again(visit: Open, tmp_path: Path) -> None:
    with emulator(tmp_path) as server:
        one = visit(server)
        one.invoke('{"before": true}')
        one.page.fill("#event", '{"after": true}')
    one.text("#lost").to_contain_text(f"The emulator at {server.url} does not respond.")
    one.text("#connection").to_have_text("Not connected")
    one.page.click("#invoke", force=True)  # nothing happens
    assert one.violations() == []
    with emulator(tmp_path, server.port):
        one.text("#connection").to_have_text("Connected")
        expect(one.page.locator("#lost")).to_be_hidden()
        expect(one.page.locator("#rows tr")).to_have_count(0)
        assert one.page.input_value("#event") == '{"after": true}'
        one.page.click("#invoke")
        one.text("#response").to_contain_text('"after": true')


def test_explains_that_the_server_ended_during_an_invocation(
    visit: Open, tmp_path: Path, signal_file: Path
) -> None:
    with emulator(tmp_path) as server:
        one = visit(server)
        one.page.fill("#event", waiting(signal_file))
        one.page.click("#invoke")
        expect(one.page.locator(".slot.busy")).to_have_count(1)
    one.text("#outcome").to_have_text(re.compile("the connection ended without a response|error after"))
    expect(one.page.locator("#lost")).to_be_visible()


def test_does_not_ask_while_it_is_hidden(visit: Open, server: Emulator) -> None:
    one = visit(server)
    asked: list[str] = []
    one.page.on("request", lambda request: asked.append(request.url))
    one.page.evaluate("""() => {
        Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }""")
    one.page.wait_for_timeout(1500)  # one request may have been scheduled before
    asked.clear()
    one.page.wait_for_timeout(1500)
    assert asked == []
    with one.page.expect_request("**/_lambda/state*"):
        one.page.evaluate(
            "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }"
        )


def test_works_with_the_keyboard_alone(visit: Open, server: Emulator) -> None:
    one = visit(server)
    one.page.keyboard.press("Tab")
    expect(one.page.locator("#function")).to_be_focused()
    for expected in ("tab-event", "source", "event", "invoke", "asynchronous", "format", "save-name", "save"):
        one.page.keyboard.press("Tab")
        expect(one.page.locator(f"#{expected}")).to_be_focused()
    one.page.focus("#event")
    one.page.keyboard.press("Control+a")
    one.page.keyboard.type('{"typed": 1}')
    one.page.keyboard.press("Control+Enter")
    one.text("#response").to_contain_text('"typed": 1')
    expect(one.page.locator("#event")).to_be_focused()


def test_other_pages_cannot_use_it(browser: Browser, server: Emulator, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank")
    for request in (
        f"fetch('{server.url}/_lambda/state')",
        f"fetch('{server.url}/_lambda/http', {{method: 'POST', body: '{{}}', mode: 'no-cors'}})",
    ):
        assert page.evaluate(f"{request}.then((reply) => reply.status, () => 'refused')") in ("refused", 0)
    page.set_content(f"<iframe src='{server.url}/'></iframe>")
    frame = page.locator("iframe").element_handle().content_frame()
    assert frame is None or "Invoke" not in frame.content()
    context.close()
