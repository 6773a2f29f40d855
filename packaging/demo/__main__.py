"""`python packaging/demo`: the same as `tower demo`."""

import sys

from tower_demo import main

sys.exit(main(sys.argv[1:]))
