"""What flask-session's own tests ask of each of its backends, asked of this one.

They run one application with pages that set, change, read and delete a value, and then look into the store.
"""

import flask
import pytest

import sessiond
from sessiond.flask import Session, SessiondSession


@pytest.fixture
def store(server):
    with sessiond.Client(server.address, namespace="flask-session", timeout=10) as client:
        yield client


@pytest.fixture
def app(store):
    app = flask.Flask(__name__)

    @app.get("/")
    def plain():
        return "a page without a session"

    @app.post("/set")
    def set_value():
        flask.session["value"] = flask.request.form["value"]
        return "set"

    @app.post("/delete")
    def delete_value():
        del flask.session["value"]
        return "deleted"

    @app.get("/get")
    def get_value():
        return flask.session.get("value", "none")

    SessiondSession(app, store)
    return app


def test_session_is_of_this_backend(app):
    with app.test_request_context():
        assert isinstance(flask.session._get_current_object(), Session)


def test_values_are_set_changed_and_deleted(app):
    browser = app.test_client()
    assert browser.get("/get").text == "none"
    assert "Vary" not in browser.get("/").headers
    browser.post("/set", data={"value": "42"})
    answer = browser.get("/get")
    assert (answer.text, answer.headers["Vary"]) == ("42", "Cookie")
    browser.post("/set", data={"value": "43"})
    assert browser.get("/get").text == "43"
    browser.post("/delete")
    assert browser.get("/get").text == "none"


def test_the_store_holds_the_value_under_the_id_of_the_cookie(app, store):
    browser = app.test_client()
    browser.post("/set", data={"value": "44"})
    cookie = browser.get_cookie("session")
    assert store.get(cookie.value).attributes["value"] == "44"


def test_setting_that_names_no_store_is_refused():
    """There it is a type of backend that does not exist."""
    app = flask.Flask(__name__)
    app.config["SESSIOND_ADDR"] = "no address at all"
    with pytest.raises((ValueError, sessiond.InvalidArgument)):
        SessiondSession(app)
