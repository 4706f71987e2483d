"""The entry points of a plugin of the `openstack` client: options and API client."""

from keystoneauth1 import exceptions
from osc_lib import utils

from glance_revert_client.client import SERVICE_TYPE, Client

API_NAME = "image_revert"
API_VERSION_OPTION = "os_image_revert_api_version"
API_VERSIONS = ("2",)
DEFAULT_API_VERSION = "2"


def make_client(instance):
    """Returns the API client for `client_manager.image_revert`."""
    try:
        endpoint = instance.get_endpoint_for_service_type(
            SERVICE_TYPE, region_name=instance.region_name, interface=instance.interface
        )
    except exceptions.CatalogException:
        endpoint = None
    return Client(instance.session, endpoint, instance.interface)


def build_option_parser(parser):
    """Adds the global options.

    As `image_revert_endpoint_override` clouds.yaml may have it too.
    """
    parser.add_argument(
        "--os-image-revert-endpoint",
        metavar="<url>",
        dest="os_image_revert_endpoint_override",
        default=utils.env("OS_IMAGE_REVERT_ENDPOINT"),
        help="Where glance-revert is, if the catalog has no endpoint of the type "
        f"{SERVICE_TYPE} (Env: OS_IMAGE_REVERT_ENDPOINT)",
    )
    return parser
