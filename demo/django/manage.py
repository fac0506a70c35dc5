#!/usr/bin/env python3
"""Django's commands for this site: manage.py migrate --run-syncdb, manage.py runserver."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    execute_from_command_line(sys.argv)
