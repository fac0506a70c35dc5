"""A small shop: visitors have a cart, log in, see their devices and log out everywhere.

    pip install '.[flask]' && flask --app examples/flask/app run

Any name will do, with the password "demo".
"""

import os

from flask import Flask, abort, redirect, render_template, request, url_for

from sessiond.flask import SessiondSession, device_labels, session

app = Flask(__name__, template_folder="../templates")
# SESSIOND_ADDR, SESSIOND_NAMESPACE, SESSIOND_TIMEOUT and what TLS needs are read from the environment.
SessiondSession(app, labels=device_labels)


@app.before_request
def check_token():
    """What changes something brings a token of this session."""
    if request.method == "POST" and not session.verify_csrf_token(request.form.get("csrf_token")):
        abort(403)


def page(template, **context):
    """A page whose forms bring a token of this session."""
    return render_template(template, principal=session.principal, csrf_token=session.csrf_token(), **context)


@app.get("/")
def home():
    session["visits"] = session.get("visits", 0) + 1
    return page("home.html", cart=session.get("cart", []), visits=session["visits"])


@app.post("/cart")
def put_in_cart():
    # A change within the list is noticed.
    session.setdefault("cart", []).append(request.form["item"])
    return redirect(url_for("home"))


@app.post("/settings/<name>")
def set_setting(name):
    """Requests that set different names at the same time all win."""
    session[f"setting.{name}"] = request.form["value"]
    return "", 204


@app.get("/settings")
def settings():
    prefix = "setting."
    return {key.removeprefix(prefix): value for key, value in session.items() if key.startswith(prefix)}


@app.post("/log-in")
def log_in():
    if not request.form["name"] or request.form["password"] != "demo":
        abort(401)
    # The session gets a new ID, the user and the device in one step, and keeps the cart.
    session.principal = request.form["name"]
    return redirect(url_for("home"))


@app.post("/log-out")
def log_out():
    session.end()
    return redirect(url_for("home"))


@app.get("/devices")
def devices():
    if session.principal is None:
        abort(401)
    return page("devices.html", devices=session.devices())


@app.post("/devices/end")
def end_device():
    session.end_device(request.form["handle"])
    return redirect(url_for("devices" if session.principal else "home"))


@app.post("/devices/end-others")
def end_others():
    session.end_others()
    return redirect(url_for("devices"))


@app.post("/log-out-everywhere")
def log_out_everywhere():
    session.end_all()
    return redirect(url_for("home"))


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
