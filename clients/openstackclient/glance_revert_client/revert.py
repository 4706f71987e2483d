"""`openstack image revert`."""

import sys

from keystoneauth1.exceptions import ClientException
from osc_lib import exceptions

from glance_revert_client import options
from glance_revert_client.client import PAGE
from glance_revert_client.command import Lister
from glance_revert_client.text import images, printable

# Number of images of a plan that are listed individually.
SHOWN = 10
COLUMNS = ("ID", "Outcome", "Reason", "Message", "Restored", "Warnings")


class RevertImages(Lister):
    """Take deleted images back, by IDs or by project and time"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        options.add_images(parser)
        options.add_owner(parser)
        options.add_since(parser)
        options.add_until(parser)
        options.add_pattern(parser)
        parser.add_argument("--dry-run", action="store_true", help="Say what would happen, write nothing")
        parser.add_argument(
            "--verify",
            choices=("exists", "checksum", "none"),
            help="How to prove that the data is there: ask the store for the size, read it all and compare the "
            "hash, do not look (default: the service's configuration)",
        )
        for kind in ("properties", "tags", "members"):
            parser.add_argument(f"--skip-{kind}", action="store_true", help=f"Leave {kind} deleted")
        parser.add_argument(
            "--protect", action="store_true", help="Protect the images against the next mistake"
        )
        parser.add_argument(
            "--yes", action="store_true", help="Do not ask before the images of a project or a time come back"
        )
        return parser

    def take_action(self, parsed_args):
        request = {
            "dry_run": parsed_args.dry_run,
            "verify": parsed_args.verify,
            "protect": parsed_args.protect,
        }
        for kind in ("properties", "tags", "members"):
            request[kind] = "skip" if getattr(parsed_args, f"skip_{kind}") else None
        results = self.revert(parsed_args, request)
        self.failed = any(result["outcome"] in ("failed", "unknown") for result in results)
        rows = [
            [
                result["image_id"],
                _outcome(result["outcome"], parsed_args.dry_run),
                result["reason"],
                result["message"],
                result.get("restored"),
                result["warnings"],
            ]
            for result in results
        ]
        return COLUMNS, rows

    def revert(self, parsed_args, request):
        """Returns the result of each image, also of those before an error."""
        results = []
        try:
            for page in self.pages(parsed_args, request):
                results += page["results"]
                if page["remaining"] and self.app.stderr.isatty():
                    self.tell(f"{len(results)} done, {page['remaining']} to go")
        except (exceptions.CommandError, ClientException) as error:
            if not results:
                raise
            self.tell(f"Stopped, with more to do: {printable(str(error))}")
            self.failed = True
        if not results:
            self.tell("no image matches")
        return results

    def pages(self, parsed_args, request):
        """Yields the response to each request; sends as many as needed."""
        selection = {
            "owner": options.owner(self.app.client_manager, parsed_args),
            "deleted_after": parsed_args.since,
            "deleted_before": parsed_args.until,
        }
        is_selected = any(selection.values())
        selection["name"] = parsed_args.name
        if parsed_args.images:
            if any(selection.values()):
                raise exceptions.CommandError("Beside IDs nothing else may be named.")
            ids = list(dict.fromkeys(parsed_args.images))
            for at in range(0, len(ids), PAGE):
                yield self.call(image_ids=ids[at : at + PAGE], **request)
            return
        if not is_selected:
            raise exceptions.CommandError("Which images? Name some, or say --owner, --since or --until.")
        request = {**selection, **request}
        asks = not (parsed_args.yes or parsed_args.dry_run)
        # No image more than was shown.
        count = self.ask(request) if asks else None
        if asks and not count:
            return
        page = self.call(expected_count=count, **request)
        yield page
        while page["remaining"] and page["marker"]:
            page = self.call(marker=page["marker"], **request)
            yield page

    def call(self, **body):
        return self.client.post("/v2/pending-deletes/actions/revert", **body)

    def ask(self, request):
        """Shows the plan for the first images and asks; returns the number of images."""
        plan = self.call(**{**request, "dry_run": True}, limit=SHOWN)
        count = len(plan["results"]) + plan["remaining"]
        if not count:
            return 0
        for result in plan["results"]:
            why = f" ({result['reason']}: {result['message']})" if result["reason"] else ""
            self.tell(printable(f"{result['image_id']}: {_outcome(result['outcome'], True)}{why}"))
        if plan["remaining"]:
            self.tell(f"and {plan['remaining']} more")
        if not sys.stdin.isatty():
            raise exceptions.CommandError(
                f"{images(count)} would come back: say --yes to take them back, or --dry-run to try it."
            )
        self.app.stderr.write(f"Take {images(count)} back? [y/N] ")
        self.app.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return count
        raise exceptions.CommandError("Nothing was changed.")


def _outcome(outcome, dry_run):
    return "would be reverted" if dry_run and outcome == "reverted" else outcome
