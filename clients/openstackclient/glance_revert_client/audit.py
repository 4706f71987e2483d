"""`openstack image revert audit`."""

from glance_revert_client import options
from glance_revert_client.command import Lister


class ListAudit(Lister):
    """List what was done with deleted images, and by whom"""

    COLUMNS = {
        "At": "at",
        "Operation": "operation",
        "Image ID": "image_id",
        "Name": "name",
        "Project": "owner",
        "Actor": "actor",
        "Source": "source",
    }
    MORE = {
        "ID": "id",
        "Outcome": "outcome",
        "Actor Name": "actor_name",
        "Issuer": "actor_issuer",
        "Method": "actor_method",
        "Scope": "actor_scope",
        "Host": "host",
        "Request ID": "request_id",
        "Details": "details",
    }

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--image", metavar="<image>", help="Only what was done to this image (ID)")
        parser.add_argument(
            "--actor", metavar="<id>", help="Only what this caller did; scrubber for passes"
        )
        parser.add_argument(
            "--operation", metavar="<name>", help="Only this operation: revertImage, scrubImage, ..."
        )
        parser.add_argument(
            "--since", metavar="<time>", type=options.moment, help=f"Only since then: {options.TIMES}"
        )
        parser.add_argument(
            "--until", metavar="<time>", type=options.moment, help="Only what was done before this time"
        )
        parser.add_argument(
            "--limit",
            metavar="<number>",
            type=options.positive,
            default=100,
            help="At most so many, the newest (default: 100)",
        )
        parser.add_argument("--long", action="store_true", help="List more fields")
        return parser

    def take_action(self, parsed_args):
        found = self.client.pages(
            "/v2/audit",
            "audit",
            parsed_args.limit,
            image_id=parsed_args.image,
            actor=parsed_args.actor,
            operation=parsed_args.operation,
            after=parsed_args.since,
            before=parsed_args.until,
        )
        columns = {**self.COLUMNS, **(self.MORE if parsed_args.long else {})}
        return tuple(columns), [[entry[key] for key in columns.values()] for entry in found]
