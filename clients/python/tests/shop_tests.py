"""What every example shop must do, whatever its framework: over HTTP, with a store that is killed."""

import json
import time

import pytest
from server import Server
from websites import FormShop, in_parallel

import sessiond

NAMESPACE = "example-shop"


def log_in_keeps_the_cart_under_a_new_id(shop: FormShop, server: Server) -> None:
    shop.act("/cart", item="tea")
    before = shop.twin()
    assert shop.act("/log-in", name="ada", password="demo") in (200, 204)
    assert (shop.principal(), shop.cart()) == ("ada", ["tea"])
    assert shop.browser.session_id() != before.browser.session_id()
    assert (before.principal(), before.cart()) == (None, [])
    with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as client:
        assert client.get(shop.browser.session_id(), touch=False).principal == "ada"


def wrong_password_and_missing_token_are_refused(shop: FormShop) -> None:
    assert shop.act("/log-in", name="ada", password="guess") == 401
    assert shop.act_with("", "/log-in", name="ada", password="demo") == 403
    assert shop.principal() is None
    shop.browser.get("/devices")
    assert shop.browser.status == 401


def log_out_is_final(shop: FormShop) -> None:
    shop.act("/log-in", name="grace", password="demo")
    stolen = shop.twin()
    assert stolen.principal() == "grace"
    token = stolen.token()
    shop.act("/log-out")
    assert shop.principal() is None
    # The thief's slow request comes back with a token that was right, and finds nothing to change.
    assert stolen.act_with(token, "/cart", item="loot") in (403, 409)
    assert stolen.principal() is None


def devices_are_listed_and_ended(shops: list[FormShop]) -> None:
    for shop in shops:
        shop.act("/log-in", name="edsger", password="demo")
    first, second, third, fourth = shops
    assert first.device_count() == 4
    handles = first.other_handles()
    assert len(handles) == 3
    first.act("/devices/end", handle=handles[-1])
    assert first.device_count() == 3
    assert sum(shop.principal() is None for shop in (second, third, fourth)) == 1
    first.act("/devices/end-others")
    assert (first.principal(), first.device_count()) == ("edsger", 1)
    assert [shop.principal() for shop in (second, third, fourth)] == [None, None, None]
    second.act("/log-in", name="edsger", password="demo")
    second.act("/log-out-everywhere")
    assert [shop.principal() for shop in shops] == [None] * 4


def nobody_ends_the_session_of_another(shop: FormShop, victim: FormShop, server: Server) -> None:
    victim.act("/log-in", name="victim", password="demo")
    with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as client:
        handle = client.get(victim.browser.session_id(), touch=False).handle
    shop.act("/log-in", name="attacker", password="demo")
    shop.act("/devices/end", handle=handle)
    shop.act("/devices/end", handle="no handle at all")
    assert victim.principal() == "victim"


def parallel_requests_all_win(shop: FormShop) -> None:
    token = shop.token()
    twins = [shop.twin() for _ in range(64)]
    statuses = in_parallel(64, lambda n: twins[n].act_with(token, f"/settings/{n}", value=f"value {n}"))
    assert statuses == [204] * 64
    assert json.loads(shop.browser.get("/settings")) == {str(n): f"value {n}" for n in range(64)}


def a_killed_store_loses_nothing(shop: FormShop, server: Server, log) -> None:
    """Needs a site with a deadline of a second."""
    shop.act("/cart", item="tea")
    shop.act("/log-in", name="ada", password="demo")
    session_id = shop.browser.session_id()
    server.kill()
    start = time.monotonic()
    shop.page()
    assert shop.browser.status == 503 and shop.browser.headers["retry-after"] == "1"
    assert time.monotonic() - start < 5
    assert shop.browser.session_id() == session_id
    server.start()
    deadline = time.monotonic() + 10
    while True:
        shop.page()
        if shop.browser.status == 200:
            break
        # While the site still connects anew it says so, and never shows a logged-out page.
        assert shop.browser.status == 503 and time.monotonic() < deadline
        time.sleep(0.05)
    assert (shop.principal(), shop.cart()) == ("ada", ["tea"])
    stolen = shop.twin()
    shop.act("/log-out")
    assert stolen.principal() is None
    assert session_id not in log()
    with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as client:
        with pytest.raises(sessiond.SessionNotFound):
            client.get(session_id)
