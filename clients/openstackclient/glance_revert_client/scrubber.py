"""`openstack image scrubber ...`."""

from glance_revert_client import options
from glance_revert_client.command import ShowOne


class ShowScrubber(ShowOne):
    """Show whether the scrubber runs or is paused, and how many images are held"""

    def take_action(self, parsed_args):
        return self.dict2columns({"pause": None, **self.client.get("/v2/scrubber")})


class PauseScrubber(ShowOne):
    """Pause the scrubber of every process on the database"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        options.add_end(parser, "24h")
        return parser

    def take_action(self, parsed_args):
        until = options.end(parsed_args)
        paused = self.client.post("/v2/scrubber/actions/pause", until=until, reason=parsed_args.reason)
        # Data of images that were claimed before may already be destroyed.
        self.failed = paused["claims_in_hand"] > 0
        return self.dict2columns({**paused["pause"], "claims_in_hand": paused["claims_in_hand"]})


class ResumeScrubber(ShowOne):
    """End the pause of the scrubber; holds go on"""

    def take_action(self, parsed_args):
        return self.dict2columns(self.client.call("POST", "/v2/scrubber/actions/resume"))


class ShowPlan(ShowOne):
    """Show what the scrubber will destroy"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--within",
            metavar="<time>",
            type=options.seconds,
            help="Also what becomes due in this time, such as 24h, 3d or 2h30m",
        )
        return parser

    def take_action(self, parsed_args):
        return self.dict2columns(self.client.get("/v2/scrubber/plan", within=parsed_args.within))


class AcceptPlan(ShowOne):
    """Let the next pass destroy more images than its limits allow"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "images", metavar="<images>", type=int, help="How many at most: the images of the plan"
        )
        return parser

    def take_action(self, parsed_args):
        return self.dict2columns(self.client.post("/v2/scrubber/actions/accept", images=parsed_args.images))
