"""`openstack image pending hold` and `release`."""

from osc_lib import exceptions

from glance_revert_client import options
from glance_revert_client.command import ShowOne


class _ForMany(ShowOne):
    path = None

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        options.add_images(parser)
        options.add_owner(parser)
        options.add_since(parser)
        options.add_pattern(parser)
        return parser

    def order(self, parsed_args, **more):
        if not (parsed_args.images or parsed_args.owner or parsed_args.since):
            raise exceptions.CommandError("Which images? Name some, or say --owner or --since.")
        result = self.client.post(
            self.path,
            image_ids=parsed_args.images or None,
            owner=options.owner(self.app.client_manager, parsed_args),
            deleted_after=parsed_args.since,
            name=parsed_args.name,
            **more,
        )
        self.failed = bool(result["failures"])
        return self.dict2columns(result)


class HoldImages(_ForMany):
    """Keep deleted images from the scrubber, by IDs or by project and time"""

    path = "/v2/pending-deletes/actions/hold"

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        options.add_end(parser, "until they are released")
        return parser

    def take_action(self, parsed_args):
        return self.order(parsed_args, until=options.end(parsed_args), reason=parsed_args.reason)


class ReleaseImages(_ForMany):
    """Leave held images to the scrubber again"""

    path = "/v2/pending-deletes/actions/release"

    def take_action(self, parsed_args):
        return self.order(parsed_args)
