"""What Django's own engines accept is accepted: expiries, keys, user IDs and data of every kind."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

import sessiond
from sessiond.django import SessionStore, principal_of
from sessiond.django.names import session_id_of

BERLIN = override_settings(USE_TZ=False, TIME_ZONE="Europe/Berlin")


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


# Expiry


def accepted(store, expiry) -> bool:
    """Whether an engine saves a session with this expiry."""
    session = store()
    session["a"] = 1
    session.set_expiry(expiry)
    try:
        session.save()
    except (OverflowError, TypeError, ValueError):
        return False
    return True


EXPIRIES = [
    datetime.max,
    datetime.min,
    datetime(9999, 12, 31),
    datetime(9998, 6, 1),
    datetime(1, 1, 2),
    datetime.max.isoformat(),
    datetime.max.replace(tzinfo=timezone.utc),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=ZoneInfo("America/New_York")),
    timedelta(days=2_900_000),
    timedelta(days=-700_000),
    timedelta(0),
    timedelta(microseconds=1),
    10**9,
    10**30,
    -1,
    -(10**9),
    -(10**30),
    0.5,
    0.0001,
    1e300,
    -1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
    True,
    False,
    "",
    None,
    0,
]


@BERLIN
@pytest.mark.parametrize("expiry", EXPIRIES, ids=repr)
def test_expiries_without_time_zones(expiry):
    judge(expiry)


@pytest.mark.filterwarnings("ignore:DateTimeField")
@override_settings(USE_TZ=True, TIME_ZONE="Europe/Berlin")
@pytest.mark.parametrize("expiry", EXPIRIES, ids=repr)
def test_expiries_with_time_zones(expiry):
    judge(expiry)


def judge(expiry) -> None:
    accepting = [store for store in (DatabaseStore, CacheStore) if accepted(store, expiry)]
    if accepting:
        assert accepted(SessionStore, expiry), f"{accepting} accept it"


@BERLIN
@pytest.mark.parametrize(
    ("expiry", "lasts"), [(datetime.max, True), (datetime.min, False), (10**30, True), (-(10**30), False)]
)
def test_extreme_expiries_mean_what_they_say(client, expiry, lasts):
    session = SessionStore()
    session["a"] = 1
    session.set_expiry(expiry)
    session.save()
    assert session.exists(session.session_key) is lasts
    if lasts:
        assert client.get(session.session_key, touch=False).expire_time > datetime.now(timezone.utc) + timedelta(
            days=3640
        )
        again = SessionStore(session.session_key)
        again["b"] = 2
        again.save()
        assert SessionStore(session.session_key)["b"] == 2


@pytest.mark.parametrize("expiry", [timedelta.max, timedelta.min])
def test_what_no_engine_can_hold_is_refused_as_by_django(expiry):
    for store in (DatabaseStore, SessionStore):
        with pytest.raises(OverflowError):
            store().set_expiry(expiry)


@pytest.mark.parametrize("age", [0.5, 10**12, 1e15, -5, -(10**20)])
def test_any_cookie_age(age):
    with override_settings(SESSION_COOKIE_AGE=age):
        session = SessionStore()
        session["a"] = 1
        session.save()
        assert session.exists(session.session_key) is (age > 0)


# Keys


KEYS = [
    "12345678",
    "short-key",
    "x" * 257,
    "x" * 10_000,
    "with space " * 3,
    "Grüße-Grüße-Grüße",
    "nul\0" * 8,
    "lone-surrogate-\ud800-\udfff",
    "\n\t" * 10,
    "\x7f" * 20,
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
def test_any_key_that_is_unknown_is_no_session(key):
    assert SessionStore(key).load() == {}
    assert SessionStore().exists(key) is False
    SessionStore().delete(key)
    session = SessionStore(key)
    assert session.get("a") is None
    assert session.session_key is None
    blind = SessionStore(key)
    blind.clear()
    with pytest.raises(UpdateError):
        blind.save()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
def test_any_key_can_be_chosen(client, key):
    session = SessionStore(key)
    session["a"] = 1
    session._session_key = key
    session.save(must_create=True)
    assert session.session_key == key
    assert SessionStore(key)["a"] == 1
    assert client.get(session_id_of(key)).attributes == {"a": 1}
    again = SessionStore(key)
    again["b"] = 2
    again.save()
    assert again.exists(key)
    with pytest.raises(CreateError):
        SessionStore(key).save(must_create=True)
    again.cycle_key()
    assert not again.exists(key)
    assert dict(SessionStore(again.session_key).items()) == {"a": 1, "b": 2}
    again.flush()


@pytest.mark.parametrize("key", ["", "1", "1234567", None])
def test_what_django_takes_for_no_key_is_none(key):
    assert SessionStore(key).session_key is None
    assert SessionStore(key).load() == {}
    assert SessionStore().exists(None) is False


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
def test_any_cookie_gives_a_new_session(settings_cookie, key):
    def view(request):
        request.session["a"] = 1
        return HttpResponse()

    request = RequestFactory().get("/")
    request.COOKIES[settings_cookie] = key
    response = SessionMiddleware(view)(request)
    assert response.status_code == 200
    assert response.cookies[settings_cookie].value != key
    assert not SessionStore().exists(key)


@pytest.fixture
def settings_cookie():
    from django.conf import settings

    return settings.SESSION_COOKIE_NAME


# Users


@pytest.mark.parametrize(
    "pk",
    ["u" * 256, "u" * 257, "ü" * 129, "u" * 100_000, "lone-\ud800", "nul-\0", 2**200, ""],
    ids=lambda pk: ascii(pk)[:20],
)
def test_a_user_id_of_any_length_logs_in(client, pk):
    session = SessionStore()
    session["cart"] = [1]
    session.save()
    session.cycle_key()
    session[SESSION_KEY] = str(pk)
    session.save()
    read = client.get(session.session_key, touch=False)
    assert read.principal == principal_of(pk)
    assert len(read.principal.encode()) <= 256
    assert SessionStore(session.session_key)[SESSION_KEY] == str(pk)
    session.flush()


def test_short_user_ids_are_principals_as_they_are():
    assert [principal_of(user) for user in (None, 42, "ada", "ü" * 128)] == ["", "42", "ada", "ü" * 128]
    assert principal_of("u" * 257) == principal_of("u" * 257) != principal_of("u" * 258)
    assert principal_of("u" * 257).startswith("sha256:")
    assert principal_of(principal_of("u" * 257)) != principal_of("u" * 257)


# Data


@pytest.mark.parametrize(
    "data",
    [
        {"": 1},
        {1: "int", None: "none", 1.5: "float"},
        {True: "bool"},
        {"none": None},
        {"lone": "\ud800"},
        {"\ud800": "lone"},
        {"nul\0": "\0"},
        {"k" * 10_000: 1},
        {"int": 2**100, "float": float("inf"), "nested": [[[[1]]]]},
        {"dict": {1: {None: {True: [None]}}}},
        {"empty": [{}, [], "", (), None]},
        {f"k{number}": number for number in range(1_000)},
    ],
    ids=lambda data: ascii(data)[:30],
)
def test_data_is_read_back_as_from_the_database(data):
    read = []
    for store in (DatabaseStore, SessionStore):
        session = store()
        session.update(data)
        session.save()
        read.append(dict(store(session.session_key).items()))
    assert repr(sorted(read[0].items())) == repr(sorted(read[1].items()))


@pytest.mark.parametrize("value", [object(), {1, 2}, datetime(2024, 1, 1), {(1, 2): 3}])
def test_data_that_json_can_not_hold_is_a_type_error_as_in_django(value):
    for store in (DatabaseStore, SessionStore):
        session = store()
        session["a"] = value
        with pytest.raises(TypeError):
            session.save()
