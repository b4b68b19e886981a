"""An AWS account on this machine: moto stores its resources, sandboxes run the functions.

moto (https://github.com/getmoto/moto) implements the APIs of AWS's services and stores functions and layers
as they were sent. It would need Docker to run a function, and does not transform templates of AWS SAM. So
this module handles three kinds of requests itself: invocations and function URLs, with our emulator and the
stored functions; and change sets of templates that AWS SAM has to transform, with AWS's own translator.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from lambda_emulator.functions.function import Function
from lambda_emulator.servers.function_url import FunctionUrl
from lambda_emulator.servers.invoke_api import InvokeApi
from moto.backends import get_backend  # type: ignore[import-not-found,import-untyped,unused-ignore]
from moto.server import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.publish.transform import transform
from conformance.sandbox.deployments import LAMBDA_LIBRARIES, LAMBDA_PATH, MANAGED
from conformance.sandbox.machine import INTERPRETER, PREFIX, Machine

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
INVOCATION = re.compile(r"/(?:2015-03-31|2021-11-15)/functions/([^/]+)/(?:response-streaming-)?invocations/?")
URL_CONFIGURATION = re.compile(r"/2021-10-31/functions/([^/]+)/url/?")
INIT_TIMEOUT_S = 30

Start = Callable[..., Any]


class Account:
    """The account, to be used with ``with``; ``url`` is the endpoint of all its services."""

    def __init__(self, folder: Path, machine: Machine | None) -> None:
        """``machine`` runs the functions; without it they cannot be invoked."""
        self._folder = folder
        self._machine = machine
        self.transformed: dict[str, Any] = {}  # the last template that AWS SAM sent, transformed
        self._running: dict[str, Running] = {}
        # A sandbox ends with the thread that started it, so it must not be started by a request's thread.
        self._starter = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Account:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        for running in self._running.values():
            running.close()
        self._starter.shutdown()

    def environment(self) -> dict[str, str]:
        """Return the variables that make AWS CLI and AWS SAM use this account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            "SAM_CLI_TELEMETRY": "0",
        }

    def layer(self, arn: str) -> Any:
        """Return moto's object for a version of a layer; its ``code_bytes`` are the zip."""
        region = arn.split(":")[3]
        return get_backend("lambda")[ACCOUNT_ID][region].layers_versions_by_arn(arn)

    def function(self, name: str) -> Any:
        """Return moto's object for a function. Raises moto's error if it does not exist."""
        return get_backend("lambda")[ACCOUNT_ID][REGION].get_function(name)

    def log(self) -> str:
        return "".join(running.function.log_text() for running in self._running.values())

    def _serve(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = unquote(environ["PATH_INFO"])
        invocation, url_configuration = INVOCATION.fullmatch(path), URL_CONFIGURATION.fullmatch(path)
        if invocation and self._machine is not None:
            return self._invoke(self._run(invocation[1]), environ, start)
        if url_configuration and environ["REQUEST_METHOD"] in ("GET", "POST", "PUT"):
            return self._with_a_url_of_ours(url_configuration[1], environ, start)
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            self._transform_template(environ)
        response: Iterable[bytes] = self._moto(environ, start)
        return response

    def _run(self, name: str) -> Running:
        """Return the running function; restart it if its code, layers or configuration have changed."""
        assert self._machine is not None
        with self._lock:
            held = self.function(name)
            configuration = [held.layers, held.environment_vars, held.handler, held.run_time]
            state = json.dumps([held.code_sha_256, *configuration])
            running = self._running.get(held.function_name)
            if running is None or running.state != state:
                if running is not None:
                    running.close()
                folder = self._folder / f"function-{len(list(self._folder.iterdir()))}"
                layers = [self.layer(layer["Arn"]).code_bytes for layer in held.layers]
                start = self._starter.submit(Running, held, layers, state, self._machine, folder)
                running = start.result()
                self._running[held.function_name] = running
            return running

    def _invoke(self, running: Running, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Forward the request to the emulator of this function, and return its response."""
        names = [name for name in environ if name.startswith("HTTP_X_AMZ")]
        headers = {name[5:].replace("_", "-"): environ[name] for name in names}
        request = urllib.request.Request(running.api.url + environ["PATH_INFO"], read_body(environ), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.addheaders = []
        with opener.open(request) as reply:
            start(f"{reply.status} {reply.reason}", reply.getheaders())
            return [reply.read()]

    def _with_a_url_of_ours(self, name: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Return moto's response with a function URL that works."""
        told: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], *exception: object) -> None:
            told[:] = [status, headers]

        body = b"".join(self._moto(environ, keep))
        status, headers = told
        if status.startswith("2") and self._machine is not None:
            configuration = json.loads(body)
            mode = configuration.get("InvokeMode", "BUFFERED")
            body = json.dumps({**configuration, "FunctionUrl": self._run(name).open_url(mode)}).encode()
        kept = [(key, value) for key, value in headers if key.lower() != "content-length"]
        start(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    def _transform_template(self, environ: dict[str, Any]) -> None:
        """Replace a template that needs AWS SAM's transformation by the transformed one."""
        body = read_body(environ)
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if "TemplateURL" in fields:  # moto finds templates at AWS's addresses only
            bucket, _, key = urlsplit(fields.pop("TemplateURL")).path.lstrip("/").partition("/")
            stored = get_backend("s3")[ACCOUNT_ID]["aws"].get_object(bucket, key)
            fields["TemplateBody"] = stored.value.decode()
        if "Transform: AWS::Serverless" in fields.get("TemplateBody", ""):
            fields["TemplateBody"] = transform(fields["TemplateBody"])
            self.transformed = json.loads(fields["TemplateBody"])
        if "TemplateBody" in fields:
            body = urlencode(fields).encode()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))


class Running:
    """A function in a sandbox, from the zips that moto stores."""

    def __init__(self, held: Any, layers: list[bytes], state: str, machine: Machine, folder: Path) -> None:
        self.state = state
        task, opt, runtime = folder / "task", folder / "opt", folder / "runtime"
        for path in (task, opt, runtime):
            path.mkdir(parents=True)
        unzip(held.code_bytes, task)
        for layer in layers:
            unzip(layer, opt)
        # The interpreter of a managed runtime; a layer may bring a script that executes it.
        mounts = [(task, "/var/task"), (opt, "/opt"), (runtime, "/var/runtime"), (PREFIX, "/var/lang")]
        environment = dict(held.environment_vars)
        self.function = Function(
            held.handler,
            task,
            machine.command(mounts, start_command(held.run_time, environment, task)),
            environment={
                "LAMBDA_TASK_ROOT": "/var/task",
                "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
                "PATH": LAMBDA_PATH,
                **({} if held.run_time.startswith("provided") else MANAGED.environment),
                **environment,
            },
            name=held.function_name,
            timeout_s=held.timeout,
            memory_mb=held.memory_size,
            init_timeout_s=INIT_TIMEOUT_S,
        )
        self.function.__enter__()
        self.api = InvokeApi(self.function)
        self._url: FunctionUrl | None = None

    def open_url(self, invoke_mode: str) -> str:
        if self._url is None:
            self._url = FunctionUrl(self.function, invoke_mode=invoke_mode)
        return self._url.url

    def close(self) -> None:
        for server in (self.api, self._url):
            if server is not None:
                server.close()
        self.function.close()


def start_command(run_time: str, environment: dict[str, str], task: Path) -> list[str]:
    """Return the command that Lambda executes (developer guide, runtimes-custom and runtimes-modify)."""
    if run_time.startswith("provided"):
        return ["/var/task/bootstrap" if (task / "bootstrap").exists() else "/opt/bootstrap"]
    wrapper = environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    return [*([wrapper] if wrapper else []), f"/var/lang/bin/{INTERPRETER}", "/var/runtime/bootstrap.py"]


def unzip(content: bytes, folder: Path) -> None:
    """Extract with the zip's modes; later layers overwrite earlier ones."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            if entry.external_attr >> 16:
                path.chmod(entry.external_attr >> 16 & 0o777)


def read_body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def stand_in_for_an_interpreter(path: Path) -> None:
    """Write a layer like that of `make dist-python`, whose python3 executes the interpreter in /var/lang."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = zipfile.ZipInfo("bin/python3", (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o100755 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, f'#!/bin/sh\nexec /var/lang/bin/{INTERPRETER} "$@"\n')


def copy_sources(root: Path, folder: Path) -> Path:
    """Copy the repository without build results, so that building in the copy does not affect it."""
    built = (".git", ".environments", ".pythons", ".venv", "layers", "__pycache__", ".*_cache")
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(*built))
    return folder
