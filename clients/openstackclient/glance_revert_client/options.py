"""Options of several commands, and their parsers."""

import argparse
import re
from datetime import datetime, timedelta, timezone

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException
from osc_lib import utils
from osc_lib.exceptions import CommandError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TIMES = "2h, 3d (ago), now, 2026-11-22, 2026-11-22T12:00:00+01:00; UTC without a zone"


def duration(text):
    """Parses a duration such as 24h, 3d or 2h30m."""
    parts = re.findall(r"(\d+)([smhdw])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise argparse.ArgumentTypeError("write a length of time as 24h, 3d or 2h30m")
    try:
        return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta())
    except OverflowError:
        raise argparse.ArgumentTypeError("that is too long") from None


def seconds(text):
    return int(duration(text).total_seconds())


def positive(text):
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError("a number from 1 on")


def moment(text):
    """Parses a time or an age; RFC 3339 is left to the service."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return f"{text}T00:00:00Z"
    if re.match(r"\d{4}-", text):
        return text
    try:
        return _rfc3339(-(timedelta() if text == "now" else duration(text)))
    except (argparse.ArgumentTypeError, OverflowError):
        raise argparse.ArgumentTypeError(f"write {TIMES}") from None


def end(parsed_args):
    """Returns the end in RFC 3339; None if not given."""
    if parsed_args.length is not None:
        try:
            return _rfc3339(parsed_args.length)
        except OverflowError:
            return "9999-12-31T23:59:59Z"
    return parsed_args.until


def _rfc3339(from_now):
    at = datetime.now(timezone.utc) + from_now
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def future(text):
    """Parses a time in the future."""
    if not re.match(r"\d{4}-", text):
        raise argparse.ArgumentTypeError("write 2026-11-23 or 2026-11-23T12:00:00Z, or say --for 24h")
    return moment(text)


def add_end(parser, default):
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--for",
        dest="length",
        metavar="<time>",
        type=duration,
        help=f"How long, such as 24h, 3d or 2h30m (default: {default})",
    )
    group.add_argument(
        "--until",
        metavar="<time>",
        type=future,
        help="Until when: 2026-11-23, 2026-11-23T08:00:00+01:00; UTC without a zone",
    )
    parser.add_argument("--reason", metavar="<text>", help="Why, for the others")


def add_images(parser):
    parser.add_argument(
        "images",
        metavar="<image>",
        nargs="*",
        help="IDs of deleted images; nothing else may be named beside them",
    )


def add_owner(parser):
    parser.add_argument("--owner", metavar="<project>", help="The images of this project (name or ID)")


def add_since(parser):
    parser.add_argument(
        "--since", metavar="<time>", type=moment, help=f"The images deleted at this time or later: {TIMES}"
    )


def add_until(parser):
    parser.add_argument(
        "--until", metavar="<time>", type=moment, help="The images deleted before this time"
    )


def add_pattern(parser):
    parser.add_argument(
        "--name",
        metavar="<pattern>",
        help="Of these the ones whose whole name fits: * stands for any characters, ? for one",
    )


def owner(client_manager, parsed_args):
    """Returns the project's ID. A name unknown to Keystone may be the ID of a deleted project."""
    named = parsed_args.owner
    if not named or utils.is_uuid_like(named):
        return named
    try:
        found = client_manager.sdk_connection.identity.find_project(named, ignore_missing=True)
    except (ClientException, SDKException) as error:
        raise CommandError(f"Cannot look the project up, give its ID: {error}") from None
    return found.id if found else named
