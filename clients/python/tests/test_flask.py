"""Flask's sessions against a real server: what is loaded, stored, and sent to the browser."""

import sys
import traceback
from datetime import datetime, timedelta, timezone
from itertools import count

import flask
import pytest
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

import sessiond
from sessiond.flask import (
    Session,
    SessiondSession,
    SessiondSessionInterface,
    SessionInterrupted,
    device_labels,
    session,
)
from sessiond.v1 import value_pb2

numbers = count()


class Recording(sessiond.Client):
    """Notes the methods that it calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def plain(self, method, request, **kwargs):
        self.calls.append(method)
        return super().plain(method, request, **kwargs)


@pytest.fixture
def store(server):
    with Recording(server.address, namespace=f"flask-{next(numbers)}", timeout=10) as client:
        yield client


def make_app(store, **config):
    app = Flask(__name__)
    app.config.update(config)
    SessiondSession(app, store, labels=device_labels)
    return app


@pytest.fixture
def app(store):
    return make_app(store)


class Visitor:
    """Runs functions in requests of one browser."""

    def __init__(self, app, store, **options):
        self.app = app
        self.store = store
        self.options = options
        self.browser = app.test_client()
        self.response = None

    def __call__(self, act, **options):
        """What `act` answers in a view, or the response if that is no success."""
        seen = []

        def view():
            seen.append(act())
            return "done"

        # The page of this request alone.
        self.app.view_functions["page"] = view
        if not self.app.url_map._rules_by_endpoint.get("page"):
            self.app.url_map.add(self.app.url_rule_class("/", endpoint="page", methods={"GET", "POST"}))
        self.store.calls.clear()
        self.response = self.browser.get("/", **{**self.options, **options})
        return seen[0] if self.response.status_code == 200 else self.response

    @property
    def cookie(self):
        return self.browser.get_cookie("session", "localhost")

    @property
    def set_cookie(self):
        return self.response.headers.get("Set-Cookie")

    def stored(self):
        return self.store.get(self.cookie.value, touch=False)

    def twin(self):
        other = Visitor(self.app, self.store, **self.options)
        other.browser.set_cookie("session", self.cookie.value)
        return other


@pytest.fixture
def visitor(app, store):
    return Visitor(app, store)


def put(**values):
    return lambda: session.update(values)


def contents():
    return dict(session)


def test_it_is_the_session_of_flask(visitor):
    def act():
        assert session == flask.session
        assert isinstance(flask.session._get_current_object(), Session)

    visitor(act)


def test_values_come_back(visitor):
    moment = datetime(2026, 5, 17, 12, 30, 15, 123456, tzinfo=timezone.utc)
    values = {
        "text": "grüß dich",
        "int": 2**40,
        "float": 1.0,
        "none": None,
        "flag": True,
        "bytes": b"\x00\xff",
        "moment": moment,
        "list": [1, [2.5, None]],
        "map": {"b": 1, "a": {"c": [True]}},
    }
    visitor(put(**values))
    assert visitor(contents) == values
    assert visitor.stored().attributes == values


def test_a_request_that_does_not_look_at_the_session_costs_no_call(visitor):
    visitor(put(a=1))
    visitor(lambda: None)
    assert visitor.store.calls == []
    assert visitor.set_cookie is None and "Vary" not in visitor.response.headers


def test_reading_costs_one_call(visitor):
    visitor(put(a=1))
    assert visitor(lambda: session["a"]) == 1
    assert visitor.store.calls == ["GetSession"]
    assert visitor.set_cookie is None and visitor.response.headers["Vary"] == "Cookie"


def test_changing_costs_one_call_more(visitor):
    visitor(put(a=1))
    assert visitor.store.calls == ["CreateSession"]
    visitor(put(b=2))
    assert visitor.store.calls == ["GetSession", "UpdateSession"]
    visitor(put(b=2))
    assert visitor.store.calls == ["GetSession"]


def test_a_visitor_of_whom_nothing_is_known_gets_no_session(visitor):
    visitor(lambda: session.get("a"))
    assert visitor.store.calls == [] and visitor.set_cookie is None
    visitor(lambda: setattr(session, "permanent", True))
    assert visitor.store.calls == [] and visitor.set_cookie is None


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda: session.update(a=2), {"a": 2, "b": [1], "c": {"d": 1}}),
        (lambda: session["b"].append(2), {"a": 1, "b": [1, 2], "c": {"d": 1}}),
        (lambda: session["c"].update(e={}), {"a": 1, "b": [1], "c": {"d": 1, "e": {}}}),
        (lambda: session.pop("a"), {"b": [1], "c": {"d": 1}}),
        (lambda: session.pop("z", None), {"a": 1, "b": [1], "c": {"d": 1}}),
        (lambda: session.setdefault("n", []).append(1), {"a": 1, "b": [1], "c": {"d": 1}, "n": [1]}),
        (lambda: session.__delitem__("b"), {"a": 1, "c": {"d": 1}}),
        (lambda: session._get_current_object().__ior__({"a": True}), {"a": True, "b": [1], "c": {"d": 1}}),
        (lambda: session.update(a=1.0), {"a": 1.0, "b": [1], "c": {"d": 1}}),
    ],
)
def test_changes_are_noticed(visitor, change, after):
    visitor(put(a=1, b=[1], c={"d": 1}))
    visitor(change)
    stored = visitor.stored().attributes
    assert stored == after and {name: type(stored[name]) for name in after} == {n: type(after[n]) for n in after}


def test_parallel_requests_both_win(visitor):
    visitor(put(a=1, b=1))
    other = visitor.twin()

    def act():
        session["a"] = 2
        del session["b"]
        other(put(c=3))

    visitor(act)
    assert visitor.stored().attributes == {"a": 2, "c": 3}


def test_moments_in_nanoseconds_are_left_alone(visitor):
    """Another language may store more than Python can hold; only to look at it is no change."""
    visitor(put(a=[datetime(2026, 5, 17, tzinfo=timezone.utc)]))
    value = value_pb2.Value()
    value.list_value.items.add().timestamp_value.nanos = 123_456_789
    data = value.SerializeToString()
    assert sessiond.values.decode(data)[0].microsecond == 123_456
    visitor.store.plain(
        "UpdateSession", {"session_id": visitor.cookie.value, "change": {"set_attributes": {"a": data}}}
    )
    visitor(lambda: session["a"][0])
    assert visitor.store.calls == ["GetSession"]


def test_what_cant_be_stored_is_an_error_that_names_the_key(visitor):
    visitor.app.testing = True
    visitor(put(a=1))
    with pytest.raises(sessiond.UnsupportedValue, match="'cart'.*set"):
        visitor(put(cart=[{1, 2}], b=1))
    with pytest.raises(sessiond.UnsupportedValue, match="int"):
        visitor(lambda: session.update({1: 2}))
    assert visitor.stored().attributes == {"a": 1}
    visitor.app.testing = False
    assert visitor(put(cart={1})).status_code == 500


def test_cookie_is_the_bare_id_with_strict_attributes(visitor):
    visitor(put(a=1))
    parts = visitor.set_cookie.split("; ")
    assert parts[0] == f"session={visitor.cookie.value}"
    assert set(parts[1:]) == {"HttpOnly", "Path=/", "SameSite=Lax"}
    assert visitor.response.headers["Vary"] == "Cookie"


def test_cookie_is_secure_under_https(visitor):
    visitor(put(a=1), base_url="https://localhost")
    assert "Secure" in visitor.set_cookie.split("; ")


def test_cookie_is_secure_behind_a_proxy(visitor):
    visitor.app.wsgi_app = ProxyFix(visitor.app.wsgi_app)
    visitor(put(a=1), headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in visitor.set_cookie.split("; ")


def test_cookie_settings_of_flask(store):
    app = make_app(
        store,
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_DOMAIN="shop.example",
        SESSION_COOKIE_PATH="/shop",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_PARTITIONED=True,
    )
    visitor = Visitor(app, store)
    visitor(put(a=1))
    name, *attributes = visitor.set_cookie.split("; ")
    assert name.startswith("sid=")
    assert set(attributes) == {"Domain=shop.example", "Path=/shop", "SameSite=Strict", "Secure", "Partitioned"}


def test_permanent_sessions_last_and_are_refreshed(store):
    app = make_app(store, PERMANENT_SESSION_LIFETIME=timedelta(hours=2))
    visitor = Visitor(app, store)

    def act():
        session["a"] = 1
        session.permanent = True

    visitor(act)
    expires = visitor.cookie.expires
    assert abs(expires - datetime.now(timezone.utc) - timedelta(hours=2)) < timedelta(seconds=10)
    assert visitor.stored().idle_timeout == timedelta(hours=2)
    visitor(lambda: session["a"])
    assert "Expires=" in visitor.set_cookie
    visitor(lambda: None)
    assert visitor.set_cookie is None
    visitor(lambda: setattr(session, "permanent", False))
    assert "Expires=" not in visitor.set_cookie


def test_without_refresh_reading_is_no_activity(store):
    visitor = Visitor(make_app(store, SESSION_REFRESH_EACH_REQUEST=False), store)

    def act():
        session["a"] = 1
        session.permanent = True

    visitor(act)
    before = visitor.stored().last_access_time
    visitor(lambda: session["a"])
    assert visitor.set_cookie is None
    assert visitor.stored().last_access_time == before


def test_reading_slides_the_idle_timeout(visitor):
    visitor(put(a=1))
    before = visitor.stored().last_access_time
    visitor(lambda: session["a"])
    assert visitor.stored().last_access_time > before


def test_absolute_timeout(store):
    visitor = Visitor(make_app(store, SESSIOND_ABSOLUTE_TIMEOUT=timedelta(days=1)), store)
    visitor(put(a=1))
    stored = visitor.stored()
    assert stored.absolute_expire_time - stored.create_time == timedelta(days=1)


def test_emptied_session_is_deleted_with_its_cookie(visitor):
    visitor(put(a=1))
    other = visitor.twin()
    visitor(lambda: session.pop("a"))
    assert visitor.store.calls == ["GetSession", "DeleteSession"]
    assert "Max-Age=0" in visitor.set_cookie and "HttpOnly" in visitor.set_cookie and visitor.cookie is None
    assert other(contents) == {}


def test_emptied_session_of_a_user_stays(visitor):
    def act():
        session["flash"] = "welcome"
        session.principal = "ada"

    visitor(act)
    visitor(lambda: session.pop("flash"))
    assert visitor(lambda: session.principal) == "ada"


def test_clear_is_a_log_out(visitor):
    def act():
        session["a"] = 1
        session.principal = "ada"

    visitor(act)
    other = visitor.twin()
    visitor(lambda: session.clear())
    assert visitor.cookie is None
    assert other(lambda: (dict(session), session.principal)) == ({}, None)


def test_clear_and_fill_is_a_log_in_under_a_new_id(visitor):
    """The way of Flask's own tutorial."""
    visitor(put(cart=["tea"]))
    before = visitor.twin()

    def act():
        session.clear()
        session["user_id"] = 7

    visitor(act)
    assert visitor.store.calls == ["GetSession", "RotateSession"]
    assert visitor(contents) == {"user_id": 7}
    assert before(contents) == {} and before.cookie.value != visitor.cookie.value


def test_principal_is_a_log_in_in_one_step(visitor):
    visitor(put(cart=["tea"]))
    before, handle = visitor.twin(), visitor.stored().handle
    visitor(lambda: setattr(session, "principal", 42), headers={"User-Agent": "Firefox"})
    assert visitor.store.calls == ["GetSession", "RotateSession"]
    stored = visitor.stored()
    assert (stored.principal, stored.handle, stored.attributes) == ("42", handle, {"cart": ["tea"]})
    assert stored.labels == {"device": "Firefox", "address": "127.0.0.1"}
    assert before(contents) == {}
    visitor(lambda: setattr(session, "principal", "42"))
    assert visitor.store.calls == ["GetSession"]
    assert visitor(lambda: (session.principal, session.handle)) == ("42", handle)


def test_log_in_of_a_new_visitor_and_log_off(visitor):
    visitor(lambda: setattr(session, "principal", "ada"))
    assert visitor.store.calls == ["CreateSession"] and visitor.stored().principal == "ada"
    visitor(put(a=1))
    before = visitor.cookie.value
    visitor(lambda: setattr(session, "principal", None))
    assert visitor.stored().principal == "" and visitor.cookie.value != before
    assert visitor.stored().attributes == {"a": 1}


def test_principal_follows_a_key(store):
    """Flask-Login keeps the user's ID in the session."""
    visitor = Visitor(make_app(store, SESSIOND_PRINCIPAL_KEY="_user_id"), store)
    visitor(put(cart=1))
    before = visitor.cookie.value
    visitor(put(_user_id="ada"))
    assert visitor.stored().principal == "ada" and visitor.cookie.value != before
    visitor(put(b=1))
    assert visitor.store.calls == ["GetSession", "UpdateSession"]
    visitor(lambda: session.pop("_user_id"))
    assert visitor.stored().principal == ""


def test_regenerate(visitor):
    visitor(put(a=1))
    before = visitor.twin()
    visitor(lambda: flask.current_app.session_interface.regenerate(flask.session))
    assert visitor.store.calls == ["GetSession", "RotateSession"]
    assert visitor(contents) == {"a": 1} and before(contents) == {}


def test_grace_lets_the_old_id_read(store):
    visitor = Visitor(make_app(store, SESSIOND_GRACE=timedelta(seconds=30)), store)
    visitor(put(a=1))
    before = visitor.twin()
    visitor(lambda: session.rotate())
    assert before(contents) == {"a": 1}
    assert before(put(b=1)).status_code == 409


def test_log_out_is_final(visitor):
    visitor(put(a=1))
    slow = visitor.twin()

    def act():
        session["b"] = 1
        visitor(lambda: session.end())

    assert slow(act).status_code == 409
    assert "ended by another request" in slow.response.text
    assert slow(contents) == {}
    assert visitor.cookie is None


def test_what_is_set_after_the_end_goes_into_a_new_session(visitor):
    visitor(put(a=1))
    old, handle = visitor.twin(), visitor.stored().handle

    def act():
        session.end()
        session["b"] = 1

    visitor(act)
    assert visitor.stored().attributes == {"b": 1} and visitor.stored().handle != handle
    assert old(contents) == {}


def test_log_in_while_the_session_ends(visitor):
    """The visitor's data goes into a new session; a user's that was logged out does not come back."""
    visitor(put(cart=1))
    slow = visitor.twin()

    def log_in():
        assert session["cart"] == 1
        visitor(lambda: session.end())
        session.principal = "ada"

    slow(log_in)
    assert slow.stored().principal == "ada" and slow.stored().attributes == {"cart": 1}
    other = slow.twin()

    def switch():
        assert session["cart"] == 1
        slow(lambda: session.end())
        session.principal = "grace"

    assert other(switch).status_code == 409


def test_unknown_and_odd_cookies_are_no_session(visitor):
    for value in ("unknown-session-id-0123456789", "short", "ü", "x" * 300, '"quoted text, and more"'):
        visitor.browser.set_cookie("session", value)
        assert visitor(contents) == {}
        assert visitor.set_cookie is None
    visitor(put(a=1))
    assert visitor.stored().attributes == {"a": 1}


def test_stale_cookie_is_removed_when_the_session_is_emptied(visitor):
    visitor.browser.set_cookie("session", "unknown-session-id-0123456789")
    visitor(lambda: session.clear())
    assert "Max-Age=0" in visitor.set_cookie


def log_in_as(name):
    def act():
        session.principal = name

    return act


def test_devices(app, store):
    visitors = [Visitor(app, store, headers={"User-Agent": f"Browser {n}"}) for n in range(3)]
    for visitor in visitors:
        visitor(log_in_as("ada"))
    first, second, third = visitors
    devices = first(lambda: session.devices())
    assert [device.labels["device"] for device in devices] == ["Browser 2", "Browser 1", "Browser 0"]
    assert [device.is_current for device in devices] == [False, False, True]
    now = datetime.now(timezone.utc)
    assert all(now - timedelta(minutes=1) < d.create_time <= d.last_access_time < d.expire_time for d in devices)
    assert first(lambda: session.end_device(devices[0].handle)) is True
    assert first(lambda: session.end_device(devices[0].handle)) is False
    assert first(lambda: session.end_device("no handle")) is False
    assert third(lambda: session.principal) is None
    assert first(lambda: session.end_others()) == 1
    assert second(lambda: session.principal) is None
    assert first(lambda: session.principal) == "ada"
    second(log_in_as("ada"))
    assert first(lambda: session.end_all()) == 2
    assert first.cookie is None and second(lambda: session.principal) is None


def test_devices_of_nobody_and_of_others(app, store):
    visitor, other = Visitor(app, store), Visitor(app, store)
    other(log_in_as("grace"))
    handle = other.stored().handle

    def act():
        return session.devices(), session.end_device(handle), session.end_others(), session.end_all()

    assert visitor(act) == ([], False, 0, 0)
    assert visitor.store.calls == []
    visitor(log_in_as("ada"))
    assert visitor(lambda: session.end_device(handle)) is False
    assert other(lambda: session.principal) == "grace"


def test_ending_the_present_device(visitor):
    visitor(log_in_as("ada"))

    def act():
        assert session.end_device(session.handle) is True
        session["after"] = 1

    visitor(act)
    assert visitor.stored().principal == "" and visitor.stored().attributes == {"after": 1}


def test_log_in_and_end_others_in_one_request(app, store):
    first, second = Visitor(app, store), Visitor(app, store)
    first(log_in_as("ada"))

    def act():
        session.principal = "ada"
        return session.end_others(), len(session.devices())

    assert second(act) == (1, 1)
    assert second(lambda: session.principal) == "ada" and first(lambda: session.principal) is None


def test_csrf_token(app, store):
    visitor, other = Visitor(app, store), Visitor(app, store)
    token = visitor(lambda: session.csrf_token())
    assert visitor.store.calls == ["CreateSession", "IssueCsrfToken"]
    assert visitor(lambda: session.verify_csrf_token(token)) is True
    assert other(lambda: session.verify_csrf_token(token)) is False
    other(put(a=1))
    assert other(lambda: session.verify_csrf_token(token)) is False
    for wrong in ("", None, "x" * 5000, token[:-1], 5, "\udcff"):
        assert visitor(lambda wrong=wrong: session.verify_csrf_token(wrong)) is False
    visitor(lambda: session.rotate())
    assert visitor(lambda: session.verify_csrf_token(token)) is False


def test_csrf_token_of_a_log_in(visitor):
    """The token belongs to the ID that the session gets."""

    def act():
        session.principal = "ada"
        return session.csrf_token()

    visitor(put(a=1))
    token = visitor(act)
    assert visitor.store.calls == ["GetSession", "RotateSession", "IssueCsrfToken"]
    visitor(lambda: session.csrf_token())
    assert visitor.store.calls == ["GetSession", "IssueCsrfToken"]
    assert visitor(lambda: session.verify_csrf_token(token)) is True


def test_handoff_to_another_domain(app, store):
    here, there = Visitor(app, store), Visitor(app, store)
    here(log_in_as("ada"))
    there(put(cart=1))
    visitor_before = there.twin()
    ticket = here(lambda: session.issue_handoff("https://shop.example"))

    def redeem(audience="https://shop.example"):
        session.redeem_handoff(ticket, audience)
        return session.principal, session.handle

    assert there(redeem) == ("ada", here.stored().handle)
    assert there.cookie.value != here.cookie.value
    assert visitor_before(contents) == {}
    assert there(redeem).status_code == 403
    assert there(lambda: session.principal) == "ada"
    here(lambda: session.end())
    assert there(lambda: session.principal) is None


def test_handoff_to_who_has_the_session_already(visitor):
    visitor(log_in_as("ada"))

    def act():
        session.redeem_handoff(session.issue_handoff("https://shop.example"), "https://shop.example")

    visitor(act)
    assert visitor(lambda: session.principal) == "ada"


def test_wrong_tickets(visitor):
    for ticket in ("", "wrong", "x" * 5000):
        response = visitor(lambda ticket=ticket: session.redeem_handoff(ticket, "https://shop.example"))
        assert response.status_code == 403


def test_store_that_is_away(own_server):
    with Recording(own_server.address, timeout=1) as store:
        visitor = Visitor(make_app(store, SESSION_COOKIE_NAME="session"), store)
        visitor(put(a=1))
        own_server.kill()
        response = visitor(contents)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.headers["Cache-Control"] == "no-store" and "Set-Cookie" not in response.headers
        assert visitor(lambda: "no session needed") == "no session needed"
        fresh = Visitor(visitor.app, store)
        # It is known only when the view has run.
        response = fresh(put(a=1))
        assert (response.status_code, response.text[:11]) == (503, "The service")
        assert "Set-Cookie" not in response.headers
        own_server.start()
        with store.with_timeout(10) as patient:
            patient.count()
        assert visitor(contents) == {"a": 1}


def test_handlers_of_the_site_go_first(store):
    app = Flask(__name__)

    @app.errorhandler(SessionInterrupted)
    def interrupted(error):
        return "Log in again.", 418

    SessiondSession(app, store)
    visitor = Visitor(app, store)
    visitor(put(a=1))
    slow = visitor.twin()

    def act():
        session["b"] = 1
        visitor(lambda: session.end())

    assert slow(act).text == "Log in again."


def test_without_handlers_errors_are_raised(store):
    app = Flask(__name__)
    app.testing = True
    app.session_interface = SessiondSessionInterface(store)
    visitor = Visitor(app, store)
    visitor(put(a=1))
    slow = visitor.twin()

    def act():
        session["b"] = 1
        visitor(lambda: session.end())

    with pytest.raises(SessionInterrupted):
        slow(act)


def test_no_id_in_what_a_traceback_shows(own_server):
    with Recording(own_server.address, timeout=1) as store:
        app = make_app(store)
        visitor = Visitor(app, store)
        visitor(put(a="secret value"))
        own_server.kill()
        shown = []

        def act():
            try:
                session["a"] = 2
            except sessiond.StoreUnavailable:
                frames = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
                shown.append("".join(frames.format()))
                raise

        visitor(act)
        assert "StoreUnavailable" in shown[0] and visitor.cookie.value not in shown[0]
        assert visitor.cookie.value not in repr(store)


def test_repr_shows_no_secrets(visitor):
    def act():
        session["a"] = "secret value"
        flask.current_app.logger.info("%r", session)
        return repr(session)

    visitor(act)
    shown = visitor(lambda: (session["a"], repr(session))[1])
    assert shown == f"<Session {visitor.stored().handle}>"


def test_session_transaction(visitor):
    with visitor.browser.session_transaction() as inside:
        inside["a"] = [1]
    assert visitor(contents) == {"a": [1]}
    with visitor.browser.session_transaction() as inside:
        inside["a"].append(2)
        assert not inside.new
    assert visitor(contents) == {"a": [1, 2]}
    with pytest.raises(sessiond.UnsupportedValue), visitor.browser.session_transaction() as inside:
        inside["a"] = object()


def test_flash(visitor):
    visitor(lambda: flask.flash("saved", "success"))
    pop = flask.get_flashed_messages
    assert visitor(lambda: [tuple(item) for item in pop(with_categories=True)]) == [("success", "saved")]
    assert visitor(lambda: pop()) == []


def test_views_that_fail_keep_what_flask_keeps(visitor):
    """Flask stores the session also with the page of an error; a log-out is final in any case."""

    def act():
        session["b"] = 1
        raise ValueError

    visitor(put(a=1))
    assert visitor(act).status_code == 500
    assert visitor.stored().attributes == {"a": 1, "b": 1}

    def leave():
        session.end()
        raise ValueError

    twin = visitor.twin()
    visitor(leave)
    assert twin(contents) == {}


def test_new_and_modified(visitor):
    def act():
        assert session.new and not session.modified
        session["a"] = 1
        assert session.modified

    visitor(act)

    def again():
        assert not session.new and session.get("a") == 1
        assert not session.modified and session.accessed

    visitor(again)


def test_modified_by_hand_sends_the_cookie(visitor):
    visitor(put(a=1))

    def act():
        assert session["a"] == 1
        session.modified = True

    visitor(act)
    assert visitor.store.calls == ["GetSession"] and visitor.set_cookie is not None


def test_settings_make_the_client(server, monkeypatch):
    app = Flask(__name__)
    app.config.update(SESSIOND_ADDR=server.address, SESSIOND_NAMESPACE="from-settings", SESSIOND_TIMEOUT=7)
    SessiondSession().init_app(app)
    client = app.session_interface.client(app)
    assert (client.address, client.namespace, client.timeout) == (server.address, "from-settings", 7)
    monkeypatch.setenv("SESSIOND_ADDR", server.address)
    monkeypatch.setenv("SESSIOND_NAMESPACE", "from-environment")
    monkeypatch.setenv("SESSIOND_TIMEOUT", "8")
    app = Flask(__name__)
    SessiondSession(app)
    client = app.session_interface.client(app)
    assert (client.address, client.namespace, client.timeout) == (server.address, "from-environment", 8)


@pytest.mark.parametrize(
    "config", [{"SESSIOND_ADDR": "http://x:y:z"}, {"SESSIOND_TIMEOUT": "soon"}, {"SESSIOND_TIMEOUT": -1}]
)
def test_settings_that_cant_be_used_are_told_at_once(config):
    app = Flask(__name__)
    app.config.update(config)
    with pytest.raises((ValueError, sessiond.InvalidArgument)):
        SessiondSession(app)


def test_form_reads_before_and_after(visitor):
    """The session works beside everything else of a request."""

    def act():
        session["sent"] = request.form.to_dict()

    visitor.app.view_functions.clear()
    visitor(act)
    assert visitor.stored().attributes == {"sent": {}}
