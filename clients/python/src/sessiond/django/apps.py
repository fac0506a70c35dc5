"""The app: "sessiond.django" in INSTALLED_APPS brings checks, the admin page, templates, commands and signals."""

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy


class SessiondConfig(AppConfig):
    name = "sessiond.django"
    label = "sessiond"
    verbose_name = gettext_lazy("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessiond.django.checks import check_engine, check_middleware, check_server, check_settings
        from sessiond.django.password import on_user_saved

        for check in (check_settings, check_engine, check_middleware, check_server):
            checks.register(check, "sessiond")
        post_save.connect(on_user_saved, dispatch_uid="sessiond.django.password")
