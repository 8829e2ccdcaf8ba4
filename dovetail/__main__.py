"""``python -m dovetail`` is the command line."""

from __future__ import annotations

import sys

from dovetail.cli import main

sys.exit(main())
