"""python -m sessiond doctor: tells whether this machine can use sessiond, and if not, what to do."""

import sys

from sessiond.doctor import main

if __name__ == "__main__":
    sys.exit(main())
