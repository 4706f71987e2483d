"""`openstack image pending list`, `show` and `summary`."""

from glance_revert_client import options
from glance_revert_client.command import Lister, ShowOne
from glance_revert_client.text import Left, images, size

VISIBILITIES = ("public", "private", "shared", "community")


def _add_filters(parser):
    options.add_owner(parser)
    parser.add_argument("--name", metavar="<name>", help="Only images of exactly this name")
    parser.add_argument("--visibility", choices=VISIBILITIES, help="Only images of this visibility")
    options.add_since(parser)
    options.add_until(parser)


def _filters(client_manager, parsed_args):
    return {
        "owner": options.owner(client_manager, parsed_args),
        "name": parsed_args.name,
        "visibility": parsed_args.visibility,
        "deleted_after": parsed_args.since,
        "deleted_before": parsed_args.until,
    }


class ListPending(Lister):
    """List deleted images that can still be reverted"""

    COLUMNS = {
        "ID": "id",
        "Name": "name",
        "Project": "owner",
        "Size": "size",
        "Deleted At": "deleted_at",
        "Time Left": "seconds_left",
        "Revertible": "revertible",
        "Reason": "reason",
    }
    MORE = {
        "Visibility": "visibility",
        "Disk Format": "disk_format",
        "Container Format": "container_format",
        "Created At": "created_at",
        "Scrub At": "scrub_at",
    }

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        _add_filters(parser)
        parser.add_argument("--store", metavar="<store>", help="Only images of which this store has data")
        revertible = parser.add_mutually_exclusive_group()
        revertible.add_argument(
            "--revertible", action="store_true", help="Only images that can be reverted, as far as rows tell"
        )
        revertible.add_argument("--unrevertible", action="store_true", help="Only images that cannot")
        parser.add_argument(
            "--sort",
            choices=("deleted_at", "scrub_at"),
            default="deleted_at",
            help="The newest mistake first (the default), or the next to be scrubbed",
        )
        parser.add_argument("--limit", metavar="<number>", type=options.positive, help="At most so many")
        parser.add_argument("--long", action="store_true", help="List more fields")
        return parser

    def take_action(self, parsed_args):
        revertible = {"revertible": "true"} if parsed_args.revertible else {}
        if parsed_args.unrevertible:
            revertible = {"revertible": "false"}
        found = self.client.pages(
            "/v2/pending-deletes",
            "pending_deletes",
            parsed_args.limit,
            sort="deleted_at:desc" if parsed_args.sort == "deleted_at" else "deleted_at:asc",
            store=parsed_args.store,
            **revertible,
            **_filters(self.app.client_manager, parsed_args),
        )
        columns = {**self.COLUMNS, **(self.MORE if parsed_args.long else {})}
        for one in found:
            one["seconds_left"] = Left(one["seconds_left"])
        return tuple(columns), [[one[key] for key in columns.values()] for one in found]


class ShowPending(ShowOne):
    """Show what a revert of a deleted image would do"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="ID of the image")
        return parser

    def take_action(self, parsed_args):
        found = self.client.show_pending(parsed_args.image)
        found["time_left"] = Left(found.pop("seconds_left"))
        return self.dict2columns(found)


class SummarizePending(Lister):
    """Sum up deleted images that can still be reverted, by project, burst or store"""

    COLUMNS = {
        "Project": "project",
        "Store": "store",
        "First Deleted At": "first_deleted_at",
        "Last Deleted At": "last_deleted_at",
        "Images": "images",
        "Bytes": "bytes",
        "Time Left": "seconds_left",
    }

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--group",
            action="append",
            choices=("project", "burst", "store"),
            help="What makes a group, by default the project; a burst is deletions of one project with no gap "
            "over 60 seconds (repeat for several)",
        )
        _add_filters(parser)
        return parser

    def take_action(self, parsed_args):
        filters = _filters(self.app.client_manager, parsed_args)
        groups = ",".join(parsed_args.group) if parsed_args.group else None
        found = self.client.get("/v2/pending-deletes/summary", group_by=groups, **filters)
        self.tell(f"{images(found['images'])}, {size(found['bytes'])}")
        if found["other_groups"]:
            self.tell(f"{images(found['other_images'])} of them in smaller groups that are left out")
        for group in found["groups"]:
            group["seconds_left"] = Left(group["seconds_left"])
        rows = [[group[key] for key in self.COLUMNS.values()] for group in found["groups"]]
        return tuple(self.COLUMNS), rows
