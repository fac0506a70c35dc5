"""END_OTHERS_ON_PASSWORD_CHANGE: whose sessions end in the store when a password changes, and whose do not."""

import asyncio
import logging

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings

from sessiond.django import end_all, sessions_of

ENDING = override_settings(SESSIOND={"END_OTHERS_ON_PASSWORD_CHANGE": True})
NEW = "correct horse battery staple"


@pytest.fixture(autouse=True)
def ending():
    with ENDING:
        yield


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", password="pw")
    yield user
    end_all(user)
    user.delete()


def logged_in(name: str = "ada", password: str = "pw") -> Client:
    browser = Client()
    assert browser.post("/log-in/", {"username": name, "password": password}).status_code == 302
    return browser


def change_password(browser: Client) -> None:
    form = {"old_password": "pw", "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/password/", form)["Location"] == "/visit/"


def test_the_present_session_stays_and_the_others_end(ada):
    mine, others = logged_in(), [logged_in() for _ in range(2)]
    handles = {session.handle for session in sessions_of(ada)}
    change_password(mine)
    assert mine.get("/account/devices/").status_code == 200
    [left] = sessions_of(ada)
    assert left.handle in handles
    assert all(browser.get("/account/devices/").status_code == 302 for browser in others)


@override_settings(SESSIOND={})
def test_without_the_setting_they_stay_in_the_store(ada):
    mine = logged_in()
    logged_in()
    change_password(mine)
    assert len(sessions_of(ada)) == 2


def test_sessions_of_other_users_stay(ada):
    eve = User.objects.create_user("eve", password="pw")
    logged_in("eve")
    change_password(logged_in())
    assert len(sessions_of(eve)) == 1
    end_all(eve)
    eve.delete()


def test_a_password_that_is_set_outside_of_a_request_ends_all(ada):
    logged_in()
    logged_in()
    ada.set_password(NEW)
    ada.save()
    assert sessions_of(ada) == []


def test_with_update_fields(ada):
    logged_in()
    ada.set_password(NEW)
    ada.save(update_fields=["email"])
    assert len(sessions_of(ada)) == 1
    ada.set_password(NEW)
    ada.save(update_fields=["password"])
    assert sessions_of(ada) == []


def test_in_async_code(ada):
    logged_in()

    async def run():
        user = await User.objects.aget(username="ada")
        user.set_password(NEW)
        await user.asave()

    asyncio.run(run())
    assert sessions_of(ada) == []


def test_other_changes_of_a_user_end_nothing(ada):
    logged_in()
    user = User.objects.get(username="ada")
    user.email = "ada@example.org"
    user.save()
    assert len(sessions_of(ada)) == 1


def test_a_hash_that_is_made_anew_at_a_log_in_ends_nothing(ada):
    logged_in()
    hashers = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers):
        assert authenticate(username="ada", password="pw")
        assert User.objects.get(username="ada").password.startswith("pbkdf2")
    assert len(sessions_of(ada)) == 1


def test_a_new_secret_key_ends_nothing(ada):
    browser = logged_in()
    logged_in()
    with override_settings(SECRET_KEY="next", SECRET_KEY_FALLBACKS=["only-for-tests"]):
        assert browser.get("/account/devices/").status_code == 200
    assert len(sessions_of(ada)) == 2


def test_a_change_that_is_rolled_back_ends_nothing(ada):
    logged_in()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ada.set_password(NEW)
        ada.save()
        raise ZeroDivisionError
    assert len(sessions_of(ada)) == 1


def test_an_administrator_changes_the_password_of_another(ada):
    root = User.objects.create_superuser("root", password="pw")
    admin = logged_in("root")
    logged_in()
    form = {"usable_password": "true", "password1": NEW, "password2": NEW}
    assert admin.post(f"/admin/auth/user/{ada.pk}/password/", form).status_code == 302
    assert sessions_of(ada) == []
    assert len(sessions_of(root)) == 1 and admin.get("/admin/").status_code == 200
    end_all(root)
    root.delete()


def test_a_store_that_is_away_does_not_undo_the_change(ada, caplog):
    caplog.set_level(logging.ERROR)
    settings = {"END_OTHERS_ON_PASSWORD_CHANGE": True, "ADDRESS": "127.0.0.1:1", "TIMEOUT": 0.2}
    with override_settings(SESSIOND=settings):
        ada.set_password(NEW)
        ada.save()
    assert User.objects.get(username="ada").check_password(NEW)
    assert "on_commit" in caplog.text


def test_loading_users_from_a_file_ends_nothing(ada, tmp_path):
    logged_in()
    fixture = tmp_path / "users.json"
    with open(fixture, "w") as file:
        call_command("dumpdata", "auth.user", stdout=file)
    call_command("loaddata", str(fixture), verbosity=0)
    assert len(sessions_of(ada)) == 1
