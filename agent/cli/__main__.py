"""`python -m agent.cli`: the same as `tower`."""

import sys

from agent.cli.main import main

sys.exit(main())
