"""A model without a table, that gives the admin page its name, its address and its permissions."""

from django.db import models
from django.utils.translation import gettext_lazy


class Session(models.Model):
    """A session in the store. Nothing of it is in the database."""

    handle = models.CharField(primary_key=True, max_length=64, editable=False)

    class Meta:
        managed = False
        default_permissions = ("view", "delete")
        verbose_name = gettext_lazy("session")
        verbose_name_plural = gettext_lazy("sessions")

    def __str__(self) -> str:
        return str(self.handle)
