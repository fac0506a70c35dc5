"""The admin page of sessions: what it shows, to whom, and what it ends."""

from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client, override_settings

import sessiond
from sessiond.django import end_all, sessions_of

PAGE = "/admin/sessiond/session/"


@pytest.fixture(autouse=True)
def namespace():
    """Of its own, since the page shows all that there are."""
    with override_settings(SESSIOND_NAMESPACE="admin-tests"):
        yield


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, namespace="admin-tests", timeout=10) as running:
        running.revoke_namespace()
        yield running


@pytest.fixture
def users(client):
    made = {
        "root": User.objects.create_superuser("root", password="pw"),
        "ada": User.objects.create_user("ada", password="pw"),
        "staff": User.objects.create_user("staff", password="pw", is_staff=True),
    }
    yield made
    LogEntry.objects.all().delete()
    for user in made.values():
        end_all(user)
        user.delete()


def logged_in(user: User) -> Client:
    browser = Client(headers={"user-agent": "curl/8"})
    assert browser.post("/log-in/", {"username": user.username, "password": "pw"}).status_code == 302
    return browser


def allow(user: User, *names: str) -> None:
    kind = ContentType.objects.get(app_label="sessiond", model="session")
    user.user_permissions.set(Permission.objects.filter(content_type=kind, codename__in=names))


def text_of(browser: Client, query: str = "") -> str:
    page = browser.get(PAGE + query)
    assert page.status_code == 200
    return page.content.decode()


def test_it_lists_every_session(client, users):
    root = logged_in(users["root"])
    logged_in(users["ada"])
    client.create(principal="from-express", labels={"device": "<b>Chrome</b>", "address": "192.0.2.9"})
    client.create()
    text = text_of(root)
    assert text.count('name="handle"') == 4
    assert ">ada" in text and "this session" in text
    assert "from-express" in text and "&lt;b&gt;Chrome" in text and "192.0.2.9" in text
    assert "admin-tests" in text
    assert root.cookies["sessionid"].value not in text


def test_it_is_on_the_index(users):
    page = logged_in(users["root"]).get("/admin/").content.decode()
    assert f'href="{PAGE}"' in page and "add/" not in page.partition("app-sessiond")[2].partition("</table>")[0]


def test_search(client, users):
    root = logged_in(users["root"])
    logged_in(users["ada"])
    [hers] = sessions_of(users["ada"])
    client.create(principal="from-express")
    for query in (str(users["ada"].pk), "ada", hers.handle):
        text = text_of(root, f"?q={query}")
        assert text.count('name="handle"') == 1 and hers.handle in text
    assert text_of(root, "?q=from-express").count('name="handle"') == 1
    assert "No sessions." in text_of(root, "?q=nobody")
    assert "No sessions." in text_of(root, "?q=01890000-0000-7000-8000-000000000000")
    assert "There is no such page." in text_of(root, "?page=nonsense")


def test_pages(client, users):
    root = logged_in(users["root"])
    for _ in range(101):
        client.create()
    text = text_of(root)
    assert text.count('name="handle"') == 100 and "First page" not in text
    token = text.partition("page=")[2].partition('"')[0]
    text = text_of(root, f"?page={token}")
    assert text.count('name="handle"') == 2 and "First page" in text and "Next page" not in text


def test_ending_sessions(users):
    root, hers, others = logged_in(users["root"]), logged_in(users["ada"]), logged_in(users["ada"])
    [other, her] = sessions_of(users["ada"])
    page = root.post(PAGE, {"handle": [her.handle, "01890000-0000-7000-8000-000000000000"]}, follow=True)
    assert "1 session was ended." in page.content.decode()
    assert [session.handle for session in sessions_of(users["ada"])] == [other.handle]
    assert hers.get("/account/devices/").status_code == 302
    assert others.get("/account/devices/").status_code == 200
    assert LogEntry.objects.filter(user=users["root"], object_id=her.handle).count() == 1


def test_nothing_selected_and_nonsense(users):
    root = logged_in(users["root"])
    assert root.post(PAGE).status_code == 302
    assert "No session was ended" in root.post(PAGE, {"handle": "nonsense"}, follow=True).content.decode()


def test_permissions(users):
    root, staff = logged_in(users["root"]), logged_in(users["staff"])
    [session] = sessions_of(users["root"])
    assert staff.get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
    assert logged_in(users["ada"]).get(PAGE).status_code == 302
    allow(users["staff"], "view_session")
    text = text_of(staff)
    assert session.handle in text and 'name="handle"' not in text and "End selected" not in text
    assert staff.post(PAGE, {"handle": session.handle}).status_code == 403
    assert root.get(PAGE).status_code == 200
    allow(users["staff"], "view_session", "delete_session")
    staff.post(PAGE, {"handle": session.handle})
    assert root.get(PAGE).status_code == 302


def test_the_permissions_that_there_are():
    kind = ContentType.objects.get(app_label="sessiond", model="session")
    names = set(Permission.objects.filter(content_type=kind).values_list("codename", flat=True))
    assert names == {"view_session", "delete_session"}


def test_principals_that_are_no_users_ask_the_database_for_nobody(client, users):
    for principal in ("x" * 256, "9" * 30, "-1", "sha256:00", "Grüße"):
        client.create(principal=principal)
    text = text_of(logged_in(users["root"]))
    assert "9" * 30 in text and "Grüße" in text


def test_a_store_that_is_away_is_told_on_the_page(users):
    root = logged_in(users["root"])
    with patch.object(sessiond.Client, "list_page", side_effect=sessiond.StoreUnavailable("away")):
        assert "does not answer: UNAVAILABLE" in text_of(root)
