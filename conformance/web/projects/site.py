"""Deploy a project, and visit it through its function URL and through an HTTP API."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http.cookies import SimpleCookie
from pathlib import Path
from tempfile import TemporaryDirectory

from lambda_emulator.functions.function import Function, Result
from lambda_emulator.servers.function_url import FunctionUrl

from conformance.expectations import value
from conformance.sandbox.deployments import Deployment
from conformance.sandbox.harness import Harness
from conformance.web.event_sources import Request, http_api
from conformance.web.web_function import Response, send

PROJECTS = Path(__file__).resolve().parent
PACKAGES = Path(sysconfig.get_path("purelib"))  # with all frameworks


class Site:
    """A project behind one event source, and a browser that keeps cookies."""

    def __init__(self, origin: str, send: Callable[[Request], Response], *, streams: bool) -> None:
        self.origin = origin
        self.streams = streams
        self._send = send
        self._cookies: SimpleCookie = SimpleCookie()

    def get(self, target: str, **headers: str) -> Response:
        return self._request("GET", target, headers)

    def post(self, target: str, body: bytes, content_type: str, **headers: str) -> Response:
        return self._request("POST", target, {"content_type": content_type, **headers}, body)

    def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        fields = [(name.replace("_", "-"), text) for name, text in headers.items()]
        cookies = [f"{name}={cookie.value}" for name, cookie in self._cookies.items()]
        if cookies:
            fields.append(("cookie", "; ".join(cookies)))
        response = self._send(Request(method, method, target, tuple(fields), body))
        for cookie in response.all("set-cookie"):
            self._cookies.load(cookie)
        return response


@dataclass(frozen=True)
class Deployed:
    """A function that serves a project."""

    function: Function
    url: str

    @property
    def sites(self) -> tuple[Site, Site]:
        """The same project, through the function URL and through an HTTP API."""
        api = "https://id.execute-api.eu-west-1.amazonaws.com"
        return (
            Site(self.url.rstrip("/"), self._through_url, streams=True),
            Site(api, self._through_api, streams=False),
        )

    def invoke(self, event: object) -> Result:
        return self.function.invoke(json.dumps(event).encode())

    def _through_url(self, request: Request) -> Response:
        headers = dict(request.headers)
        return send(self.url, request.target, method=request.method, body=request.body, headers=headers)

    def _through_api(self, request: Request) -> Response:
        envelope = value(self.invoke(http_api(request)))
        fields = [*envelope["headers"].items(), *(("set-cookie", one) for one in envelope.get("cookies", ()))]
        body = envelope["body"]
        data = base64.b64decode(body) if envelope["isBase64Encoded"] else body.encode()
        return Response(envelope["statusCode"], fields, 0.0, [(0.0, data)])


@contextmanager
def deployed(
    harness: Harness, deployment: Deployment, project: str, handler: str, **environment: str
) -> Iterator[Deployed]:
    """Deploy the folder ``project``, unchanged; the handler setting names its application."""
    with harness.start(
        deployment, handler, task=project_files(project), packages=PACKAGES, environment=environment
    ) as function:
        url = FunctionUrl(function)
        try:
            yield Deployed(function, url.url)
        finally:
            url.close()


@lru_cache(maxsize=None)
def project_files(project: str) -> Mapping[str, str]:
    """Return the names and contents of the files of a project; for Django, added to a generated one."""
    if project != "django":
        return _read(PROJECTS / project)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "django", "startproject", "mysite", folder]
        subprocess.run(command, check=True)
        return {**_read(Path(folder)), **_read(PROJECTS / project)}


def _read(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in paths}
