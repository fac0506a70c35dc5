"""The site that is measured: the same views over every engine."""

import os
from typing import Any

from django.conf import settings

# What a site keeps of a visitor who is logged in.
VISITOR = {
    "_auth_user_id": "4711",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "5f2b" * 16,
    "theme": "dark",
    "language": "de",
    "cart": {"items": [{"sku": f"sku-{n}", "count": n, "price": 9.95} for n in range(4)], "currency": "EUR"},
    "recent": [f"/products/{n}/" for n in range(8)],
    "visits": 0,
}

REDIS_PARSERS = {"redis-py": "redis._parsers._RESP2Parser", "hiredis": "redis._parsers._HiredisParser"}


def configure(engine: str, port: int, slide: bool) -> None:
    """Django with the sessions of `engine`; with `slide`, every request slides the session's end."""
    chosen: dict[str, Any] = {"SESSION_ENGINE": "sessiond.django"}
    middleware = "django.contrib.sessions.middleware.SessionMiddleware"
    if engine == "sessiond":
        chosen["SESSIOND"] = {"ADDRESS": f"127.0.0.1:{port}", "SLIDE_ON_READ": slide}
        middleware = "sessiond.django.middleware.SessionMiddleware"
    else:
        chosen["SESSION_ENGINE"] = "django.contrib.sessions.backends.cache"
        chosen["CACHES"] = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{port}/0",
                "OPTIONS": {"PARSER_CLASS": REDIS_PARSERS[engine]},
            }
        }
    settings.configure(
        SECRET_KEY="only-for-benchmarks",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[middleware],
        # sessiond slides with the read itself.
        SESSION_SAVE_EVERY_REQUEST=slide and engine != "sessiond",
        **chosen,
    )


def read(request):
    return answer(request.session["theme"])


def change(request):
    request.session["visits"] += 1
    return answer(request.session["theme"])


async def aread(request):
    return answer(await request.session.aget("theme"))


async def achange(request):
    await request.session.aset("visits", await request.session.aget("visits") + 1)
    return answer(await request.session.aget("theme"))


def answer(text):
    # Without the length, uvicorn would send chunks.
    return HttpResponse(text, headers={"Content-Length": len(text)})


if "SESSIOND_BENCH_SITE" in os.environ:
    engine, port, slide = os.environ["SESSIOND_BENCH_SITE"].split()
    configure(engine, int(port), slide == "slide")

# After the settings, which some of it reads.
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

urlpatterns = [path("read", read), path("change", change), path("aread", aread), path("achange", achange)]
