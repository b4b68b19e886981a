"""An application made with Flask."""

# mypy: ignore-errors

import gzip
import io
import time

from apig_wsgi import make_lambda_handler
from choose import choose
from flask import Flask, Response, jsonify, redirect, request, send_file, stream_with_context, url_for
from lambda_runtime import wsgi

app = Flask(__name__)
events = []


@app.get("/json")
def get_json():
    return jsonify({"text": "é ✓", "numbers": [1, 2.5, None]})


@app.route("/echo/<path:rest>", methods=["GET", "POST", "PUT", "PATCH"])
def echo(rest):
    return jsonify(
        {
            "method": request.method,
            "path": rest,
            "query": list(request.args.items(multi=True)),
            "headers": sorted(
                [name.lower(), text] for name, text in request.headers if name.startswith("X-Own")
            ),
            "cookies": request.cookies,
            "body": list(request.get_data()),
            "client": request.remote_addr,
        }
    )


@app.get("/where")
def where():
    return jsonify({"url": request.url, "json": url_for("get_json", _external=True)})


@app.get("/cookies")
def set_cookies():
    response = jsonify({"seen": request.cookies.get("seen")})
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2")
    return response


@app.get("/many")
def many():
    return "two links", 200, [("Link", "</a>; rel=preload"), ("Link", "</b>; rel=preload")]


@app.get("/picture")
def picture():
    return send_file(io.BytesIO(b"\x89PNG\r\n\x00\xff"), mimetype="image/png")


@app.get("/gzip")
def gzipped():
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    return gzip.compress(b"text " * 100, mtime=0), 200, headers


@app.get("/latin")
def latin():
    return "é".encode("latin-1"), 200, {"Content-Type": "text/plain; charset=iso-8859-1"}


@app.get("/untyped")
def untyped():
    response = Response(b"no type")
    del response.headers["Content-Type"]
    return response


@app.get("/empty")
def empty():
    return "", 204


@app.get("/redirect")
def go():
    return redirect("/json")


@app.post("/form")
def form():
    return jsonify({"word": request.form["word"]})


@app.post("/upload")
def upload():
    file = request.files["file"]
    return jsonify({"name": file.filename, "type": file.content_type, "data": list(file.read())})


@app.get("/fail")
def fail():
    raise ValueError("the application fails")


@app.get("/stream")
def stream():
    def words():
        for number in range(3):
            time.sleep(0.15 if number else 0)
            yield f"{number} of {request.path}\n"

    return Response(stream_with_context(words()), mimetype="text/plain")


@app.get("/midway")
def midway():
    def words():
        yield "begun"
        raise ValueError("fails midway")

    return Response(words(), mimetype="text/plain")


@app.get("/closing")
def closing():
    response = Response(iter(["one"]))
    response.call_on_close(lambda: events.append("closed"))
    return response


@app.get("/events")
def get_events():
    return jsonify(events)


buffered = wsgi.handler(app, streaming=False)
web = wsgi.handler(app)


def delegating(event, context):
    yield from web(event, context)


async def returning(event, context):
    return web(event, context)


async def iterating(event, context):
    for part in web(event, context):
        yield part


around = {"delegating": delegating, "returning": returning, "iterating": iterating}
handler = choose(web, buffered, make_lambda_handler(app, binary_support=True), **around)
