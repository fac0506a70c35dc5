"""Prints the cookie of a new visitor: cookie.py ENGINE PORT"""

import sys

import django
import shop
import worker

shop.configure(sys.argv[1], int(sys.argv[2]), slide=False)
django.setup()
print(worker.new_visitor())
