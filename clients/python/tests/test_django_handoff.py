"""Single sign-on between two domains: who gets a ticket, who can redeem it, and what becomes of cookies."""

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

import sessiond
from sessiond.django import SessionStore, end_all, sessions_of

REDEEM = "/account/handoff/redeem/"
SHOP = f"https://shop.example{REDEEM}"
ISSUER = "https://accounts.example/account/handoff/?target=shop"
TARGETS = {"HANDOFF_TARGETS": {"shop": SHOP}}
WITH_ISSUER = {**TARGETS, "HANDOFF_ISSUER": ISSUER}


@pytest.fixture(autouse=True)
def two_sites():
    with override_settings(SESSIOND=TARGETS, ALLOWED_HOSTS=["*"], LOGIN_REDIRECT_URL="/visit/"):
        yield


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", password="pw")
    yield user
    end_all(user)
    user.delete()


@pytest.fixture
def accounts(ada):
    browser = at("accounts.example")
    browser.post("/log-in/", {"username": "ada", "password": "pw"}, secure=True)
    return browser


def at(host: str) -> Client:
    return Client(SERVER_NAME=host, SERVER_PORT="443")


def get(browser: Client, address: str):
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, secure=True)


def issued(accounts: Client, **query: str) -> str:
    return accounts.get("/account/handoff/", {"target": "shop", **query}, secure=True)["Location"]


def test_a_user_is_logged_in_on_the_other_domain(accounts, ada):
    response = accounts.get("/account/handoff/", {"target": "shop", "next": "/visit/?seen=7"}, secure=True)
    location = response["Location"]
    assert location.startswith(f"{SHOP}?ticket=")
    for answer in (response, get(shop := at("shop.example"), location)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
    assert answer["Location"] == "/visit/?seen=7"
    cookie = shop.cookies["sessionid"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    assert cookie.value != accounts.cookies["sessionid"].value
    assert shop.get("/account/devices/", secure=True).status_code == 200
    assert len(sessions_of(ada)) == 1, "both domains have one session"
    shop.post("/log-out/", secure=True)
    assert accounts.get("/account/devices/", secure=True).status_code == 302


def test_a_ticket_works_once_and_for_its_audience_only(accounts):
    location = issued(accounts)
    assert get(at("evil.example"), location).status_code == 400
    assert get(at("shop.example"), location).status_code == 400, "the wrong audience burnt it"
    location = issued(accounts)
    assert get(at("shop.example"), location).status_code == 302
    again = at("shop.example")
    page = get(again, location)
    assert page.status_code == 400 and "used before" in page.content.decode()
    assert "sessionid" not in again.cookies
    assert page["Cache-Control"] == "no-store" and page["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("target", ["", "unknown", "https://shop.example", SHOP])
def test_only_to_known_targets(accounts, target):
    response = accounts.get("/account/handoff/", {"target": target}, secure=True)
    assert response.status_code == 400 and "Location" not in response


def test_only_those_who_are_logged_in():
    assert at("accounts.example").get("/account/handoff/?target=shop", secure=True)["Location"].startswith("/log-in/")


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_next_stays_on_the_site(accounts, path):
    assert get(at("shop.example"), issued(accounts, next=path))["Location"] == "/visit/"


def test_the_ticket_is_in_no_log(accounts, caplog, server):
    caplog.set_level(logging.DEBUG)
    location = issued(accounts)
    ticket = parse_qs(urlsplit(location).query)["ticket"][0]
    shop = at("shop.example")
    get(shop, location)
    assert get(shop, location).status_code == 400
    with override_settings(SESSIOND={"ADDRESS": "127.0.0.1:1", "TIMEOUT": 0.2}):
        assert get(at("shop.example"), location).status_code == 503
    assert ticket not in caplog.text + server.log()
    assert ticket not in repr(shop.cookies)


def test_head_uses_nothing_up(accounts):
    location = issued(accounts)
    parts = urlsplit(location)
    assert at("shop.example").head(f"{parts.path}?{parts.query}", secure=True).status_code == 405
    assert accounts.head("/account/handoff/?target=shop", secure=True).status_code == 405
    assert get(at("shop.example"), location).status_code == 302


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=x", "?ticket=%00", "?ticket=" + "x" * 2000])
def test_nonsense_is_refused(query):
    assert at("shop.example").get(REDEEM + query, secure=True).status_code == 400


def test_the_session_that_was_there_before_ends_if_it_is_nobodys(accounts):
    shop = at("shop.example")
    shop.get("/visit/?seen=1", secure=True)
    before = shop.cookies["sessionid"].value
    get(shop, issued(accounts))
    assert not SessionStore().exists(before)
    # Once more: the cookie leads to the same session, which must not end.
    get(shop, issued(accounts))
    assert shop.get("/account/devices/", secure=True).status_code == 200


def test_an_audience_of_the_site(accounts):
    location = issued(accounts)
    with override_settings(SESSIOND={"HANDOFF_AUDIENCE": "https://shop.example"}):
        assert get(at("behind-a-proxy.internal"), location).status_code == 302


def test_the_session_ended_meanwhile(accounts):
    location = issued(accounts)
    accounts.post("/log-out/", secure=True)
    assert get(at("shop.example"), location).status_code == 400


# With an issuer: the site sends its visitors for a ticket.


@override_settings(SESSIOND=WITH_ISSUER)
def test_the_whole_way_there_and_back(ada):
    browser, shop = at("accounts.example"), at("shop.example")
    response = shop.get(f"{REDEEM}?next=/visit/%3Fseen%3D7", secure=True)
    cookie = shop.cookies["__Host-sessiond-handoff"]
    assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
    to_issuer = response["Location"]
    assert to_issuer.startswith(f"{ISSUER}&state=")
    to_log_in = get(browser, to_issuer)["Location"]
    form = {"username": "ada", "password": "pw", "next": parse_qs(urlsplit(to_log_in).query)["next"][0]}
    back_at_issuer = browser.post("/log-in/", form, secure=True)["Location"]
    to_shop = get(browser, back_at_issuer)["Location"]
    assert get(shop, to_shop)["Location"] == "/visit/?seen=7"
    assert shop.get("/account/devices/", secure=True).status_code == 200
    assert shop.cookies["__Host-sessiond-handoff"].value == ""


@override_settings(SESSIOND=WITH_ISSUER)
def test_nobody_logs_others_in_as_themselves_by_a_link(accounts):
    victim = at("shop.example")
    for state in ("", "&state=guess"):
        assert get(victim, issued(accounts) + state).status_code == 400
    victim.get(REDEEM, secure=True)
    assert get(victim, issued(accounts, state="guess")).status_code == 400
    assert "sessionid" not in victim.cookies


def test_a_ticket_of_other_services_is_taken_too(server, accounts):
    """Any client of the store can issue: a service in another language hands over to Django."""
    with sessiond.Client(server.address, timeout=10) as client:
        ticket = client.issue_handoff(accounts.cookies["sessionid"].value, "https://shop.example").ticket
    assert get(at("shop.example"), f"{SHOP}?ticket={ticket}").status_code == 302
