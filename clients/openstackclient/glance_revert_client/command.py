"""The base class of the commands."""

from cliff.columns import FormattableColumn
from osc_lib.command import command

from glance_revert_client.text import shown

# These formats escape by themselves, so values stay as the service returned them.
_FOR_PROGRAMS = ("json", "yaml")


class _Safe:
    """Escapes text of others; exits with 1 if a part of the work failed."""

    failed = False

    def run(self, parsed_args):
        self.failed = False
        return super().run(parsed_args) or int(self.failed)

    @property
    def client(self):
        return self.app.client_manager.image_revert

    def tell(self, text):
        """Prints a message to stderr."""
        self.app.stderr.write(f"{text}\n")


def _cell(value, parsed_args):
    if isinstance(value, FormattableColumn) or parsed_args.formatter in _FOR_PROGRAMS:
        return value
    return shown(value)


class Lister(_Safe, command.Lister):
    def produce_output(self, parsed_args, column_names, data):
        rows = [[_cell(value, parsed_args) for value in row] for row in data]
        return super().produce_output(parsed_args, column_names, rows)


class ShowOne(_Safe, command.ShowOne):
    def produce_output(self, parsed_args, column_names, data):
        row = [_cell(value, parsed_args) for value in data]
        return super().produce_output(parsed_args, column_names, row)
