"""Who can log in. The primary key is what every site knows a user by: the session's principal."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Customer(AbstractBaseUser):
    """A user of the demo, who has no password."""

    username = models.CharField(max_length=30, primary_key=True)
    USERNAME_FIELD = "username"
    objects = BaseUserManager()
