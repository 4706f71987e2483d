"""Runs one of Glance's commands: `upstream.py scrubber|manage arguments`.

`--restore` of the real scrubber refuses when any command line on the host holds the scrubber's
name; run from here, no command line does, so tests can run it side by side.
"""

import argparse
import importlib
import sys

add_parser = argparse._SubParsersAction.add_parser


def add_again(self, name, **options):
    """Glance up to 27 adds some of its subcommands each time that it looks for one; from 3.11 on
    Python refuses the second time."""
    self._name_parser_map.pop(name, None)
    return add_parser(self, name, **options)


if __name__ == "__main__":
    argparse._SubParsersAction.add_parser = add_again
    command = sys.argv.pop(1)
    sys.argv[0] = "glance-" + command
    sys.exit(importlib.import_module("glance.cmd." + command).main())
