"""How session keys become attributes: language-neutral under JSONSerializer, opaque and signed otherwise."""

import logging
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import override_settings
from django.utils.safestring import mark_safe

import sessiond
from sessiond import Opaque
from sessiond.django import SessionStore


class PickleSerializer:
    """What sites that keep Python objects in sessions configure."""

    def dumps(self, obj):
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data):
        return pickle.loads(data)


WITH_PICKLE = override_settings(SESSION_SERIALIZER=f"{__name__}.PickleSerializer")


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


def round_trip(data: dict) -> dict:
    session = SessionStore()
    session.update(data)
    session.save()
    return SessionStore(session.session_key).load()


def save(data: dict) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({"a": (1, (2,))}, {"a": [1, [2]]}),
        ({0: 1, None: 2, True: 3, 1.5: 4}, {"0": 1, "null": 2, "true": 3, "1.5": 4}),
        ({"a": {1: {False: 2}}}, {"a": {"1": {"false": 2}}}),
        ({"a": 1.0, "b": 1}, {"a": 1.0, "b": 1}),
        ({"a": mark_safe("<b>")}, {"a": "<b>"}),
        ({"a": 2**63, "b": {"c": [-(2**70)]}}, {"a": 2**63, "b": {"c": [-(2**70)]}}),
        ({"a": "\ud800", "\ud800": 1}, {"a": "\ud800", "\ud800": 1}),
        ({"": 1, "k" * 1000: 2, "sessiond.django:x": 3}, {"": 1, "k" * 1000: 2, "sessiond.django:x": 3}),
        ({"a": {"sessiond.django": "text"}}, {"a": {"sessiond.django": "text"}}),
        ({"a": {"sessiond.django": b"x"}}, None),
        ({"a": b"bytes"}, {"a": b"bytes"}),
        (
            {"a": datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=1)))},
            {"a": datetime(2024, 2, 29, 11, tzinfo=timezone.utc)},
        ),
        ({"a": {"": None, "x": [[], {}]}}, {"a": {"": None, "x": [[], {}]}}),
        ({"a": [[[[1]]]] * 3}, {"a": [[[[1]]]] * 3}),
    ],
)
def test_json_sessions(data, read):
    if read is None:
        with pytest.raises(TypeError, match="'a'"):
            round_trip(data)
        return
    result = round_trip(data)
    assert result == read
    assert {type(value) for value in result.values()} == {type(value) for value in read.values()}


def test_deeper_than_the_store_nests():
    value: list = []
    for _ in range(40):
        value = [value]
    assert round_trip({"a": value}) == {"a": value}


@pytest.mark.parametrize("value", [{1, 2}, Decimal("1.5"), object(), datetime(2024, 2, 29), {(1, 2): 3}])
def test_what_json_refuses_is_refused_by_name(value):
    with pytest.raises(TypeError, match="'basket'"):
        save({"basket": value})


def test_circular_data_is_refused_by_name():
    value: list = []
    value.append(value)
    with pytest.raises(ValueError, match="'basket'"):
        save({"basket": value})


def test_other_languages_read_and_write_the_attributes(client):
    session = save({"cart": {"items": [{"sku": "A-1", "count": 2}]}, "theme": "dark"})
    assert client.get(session.session_key).attributes == {
        "cart": {"items": [{"count": 2, "sku": "A-1"}]},
        "theme": "dark",
    }
    client.update(session.session_key, set_attributes={"from_go": [1, 2.5, None]})
    assert SessionStore(session.session_key)["from_go"] == [1, 2.5, None]


def test_opaque_keys_take_part_in_merging():
    first = save({"big": 2**64, "": 1, "small": 1})
    second = SessionStore(first.session_key)
    second["other"] = 2
    first["big"] = 2**65
    del first[""]
    first.save()
    second.save()
    assert SessionStore(first.session_key).load() == {"big": 2**65, "small": 1, "other": 2}


def test_unchanged_opaque_values_are_not_sent(client):
    session = save({"big": 2**64})
    version = client.get(session.session_key).version
    again = SessionStore(session.session_key)
    again["big"] = 2**64
    again.save()
    assert client.get(session.session_key).version == version


@WITH_PICKLE
def test_pickled_sessions(client):
    data = {"a": (1, {2}), 0: Decimal("1.5"), "0": "text", SESSION_KEY: "7", ("x",): 1}
    session = save(data)
    assert SessionStore(session.session_key).load() == data
    read = client.get(session.session_key)
    assert read.principal == "7"
    assert read.attributes["a"].encoding == "django-signed"
    again = SessionStore(session.session_key)
    again["a"][1].add(3)
    again.save()
    assert SessionStore(session.session_key)["a"] == (1, {2, 3})
    again.modified = True
    version = client.get(session.session_key).version
    SessionStore(session.session_key).save()
    assert client.get(session.session_key).version == version


def test_unreadable_keys_count_as_absent_and_stay_in_the_store(client, caplog):
    with WITH_PICKLE:
        session = save({"a": 1})
    with override_settings(SECRET_KEY="another"):
        save_big = save({"b": 2**64})
    foreign = client.get(save_big.session_key).attributes["b"]
    client.update(session.session_key, set_attributes={"b": foreign, "c": 3})
    key = session.session_key
    caplog.set_level(logging.WARNING)
    read = SessionStore(key)
    assert dict(read.items()) == {"c": 3}
    handle = client.get(key).handle
    assert f"Session {handle}: attribute 'a' is left out" in caplog.text
    assert key not in caplog.text
    read["d"] = 4
    read.save()
    assert set(client.get(key).attributes) == {"a", "b", "c", "d"}


@WITH_PICKLE
def test_signed_data_of_another_key_is_not_believed(client):
    session = save({"rights": "admin", "name": "ada"})
    stolen = client.get(session.session_key).attributes["rights"]
    client.update(session.session_key, set_attributes={"name": stolen})
    assert SessionStore(session.session_key).load() == {"rights": "admin"}


@WITH_PICKLE
def test_pickles_without_a_signature_are_never_loaded(client):
    session = save({"a": 1})

    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("code ran",)

    bomb = pickle.dumps({"a": Bomb()})
    for unsigned in (Opaque("django-signed", bomb), Opaque("python-pickle", bomb), {"sessiond.django": bomb}):
        client.update(session.session_key, set_attributes={"a": unsigned})
        assert SessionStore(session.session_key).load().get("a") in (None, Opaque("python-pickle", bomb))


@WITH_PICKLE
def test_what_the_first_version_stored_is_read(client):
    session = save({"a": (1, {2})})
    signed = client.get(session.session_key).attributes["a"].data
    client.update(session.session_key, set_attributes={"a": {"sessiond.django": signed}})
    again = SessionStore(session.session_key)
    assert again["a"] == (1, {2})
    again["a"][1].add(3)
    again.save()
    assert client.get(session.session_key).attributes["a"].encoding == "django-signed"


def test_what_another_language_keeps_for_itself_stays_as_it_is(client):
    session = save({"a": 1})
    gob = Opaque("go-gob", b"\x0d\xff")
    client.update(session.session_key, set_attributes={"cart": gob, "carts": [gob]})
    version = client.get(session.session_key).version
    read = SessionStore(session.session_key)
    assert read["cart"] == gob and read["carts"] == [gob]
    assert "\\xff" not in repr(read["cart"])
    read["a"] = 2
    read.save()
    after = client.get(session.session_key)
    assert after.version == version + 1
    assert after.attributes == {"a": 2, "cart": gob, "carts": [gob]}


def test_secret_key_fallbacks():
    session = save({"big": 2**64})
    with override_settings(SECRET_KEY="next", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert SessionStore(session.session_key)["big"] == 2**64


def test_session_of_json_days_is_read_under_pickle():
    session = save({"a": [1]})
    with WITH_PICKLE:
        read = SessionStore(session.session_key)
        assert read["a"] == [1]
        read["b"] = {1}
        read.save()
        assert SessionStore(session.session_key).load() == {"a": [1], "b": {1}}
