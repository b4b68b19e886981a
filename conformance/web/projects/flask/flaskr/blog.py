import time

from flask import Blueprint, Response, flash, redirect, render_template, request, stream_with_context, url_for

bp = Blueprint("blog", __name__)


@bp.route("/")
def index():
    return render_template("index.html")


@bp.route("/create", methods=("POST",))
def create():
    flash(f"Saved {request.form['title']}")
    return redirect(url_for("index"))


@bp.route("/countdown")
def countdown():
    def lines():
        yield f"{request.args['word']}\n"
        time.sleep(0.2)
        yield "go\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")


@bp.route("/fail")
def fail():
    raise ValueError("a mistake")
