"""Extensions that keep something in Flask's session work on this one: Flask-WTF and Flask-Login."""

import re

import flask
import pytest

import sessiond
from sessiond.flask import SessiondSession, session

flask_wtf = pytest.importorskip("flask_wtf")
flask_login = pytest.importorskip("flask_login")


@pytest.fixture
def store(server):
    with sessiond.Client(server.address, namespace="flask-extensions", timeout=10) as client:
        yield client


def test_csrf_protection_of_flask_wtf(store):
    app = flask.Flask(__name__)
    # Flask-WTF signs its tokens with it; the session needs none.
    app.secret_key = "only-for-tests"
    SessiondSession(app, store)
    flask_wtf.CSRFProtect(app)

    @app.route("/", methods=["GET", "POST"])
    def form():
        return flask.render_template_string("{{ csrf_token() }}")

    browser = app.test_client()
    token = browser.get("/").text
    assert re.fullmatch(r"[\w.-]{40,}", token)
    assert browser.post("/").status_code == 400
    assert browser.post("/", data={"csrf_token": token}).status_code == 200
    assert browser.post("/", headers={"X-CSRFToken": token}).status_code == 200
    # It is worth nothing in the session of another visitor.
    assert app.test_client().post("/", data={"csrf_token": token}).status_code == 400


def test_log_in_of_flask_login(store):
    """The principal follows Flask-Login's key, so a log-in gives the session a new ID and shows in the lists."""
    app = flask.Flask(__name__)
    app.config["SESSIOND_PRINCIPAL_KEY"] = "_user_id"
    app.secret_key = "only-for-tests"
    SessiondSession(app, store)
    manager = flask_login.LoginManager(app)

    class User(flask_login.UserMixin):
        def __init__(self, name):
            self.id = name

    manager.user_loader(User)

    @app.get("/")
    def who():
        return flask_login.current_user.id if flask_login.current_user.is_authenticated else "nobody"

    @app.post("/log-in/<name>")
    def log_in(name):
        flask_login.login_user(User(name))
        return "in"

    @app.post("/log-out")
    def log_out():
        flask_login.logout_user()
        return "out"

    @app.post("/log-out-everywhere")
    def log_out_everywhere():
        return str(session.end_all())

    @app.post("/cart")
    def cart():
        flask.session["cart"] = ["tea"]
        return "added"

    browser, phone = app.test_client(), app.test_client()
    assert browser.get("/").text == "nobody"
    browser.post("/cart")
    before = browser.get_cookie("session").value
    browser.post("/log-in/ada")
    after = browser.get_cookie("session").value
    assert before != after and browser.get("/").text == "ada"
    stored = store.get(after)
    assert stored.principal == "ada" and stored.attributes["cart"] == ["tea"]
    browser.post("/log-out")
    assert browser.get("/").text == "nobody"
    assert store.get(browser.get_cookie("session").value).principal == ""
    browser.post("/log-in/ada")
    phone.post("/log-in/ada")
    assert phone.post("/log-out-everywhere").text == "2"
    assert browser.get("/").text == phone.get("/").text == "nobody"
