"""Runs one of Glance's commands: `upstream.py scrubber|manage arguments`.

`--restore` of the real scrubber refuses when any command line on the host holds the scrubber's
name; run from here, no command line does, so tests can run it side by side.
"""

import importlib
import sys

if __name__ == "__main__":
    command = sys.argv.pop(1)
    sys.argv[0] = "glance-" + command
    sys.exit(importlib.import_module("glance.cmd." + command).main())
