"""Calls the service's API with the session of the `openstack` client."""

from urllib.parse import quote

from osc_lib import exceptions

from glance_revert_client.text import printable

SERVICE_TYPE = "image-revert"
# The service's limits of a page and of a request.
PAGE = 1000


class Client:
    def __init__(self, session, endpoint, interface):
        if not endpoint:
            raise exceptions.CommandError(
                f"The catalog has no {interface} endpoint of the type {SERVICE_TYPE}: add one, or say "
                "--os-image-revert-endpoint, or set OS_IMAGE_REVERT_ENDPOINT."
            )
        # Paths of the API begin with the version, and so do its links to further pages.
        self.base = endpoint.rstrip("/").removesuffix("/v2")
        self.session = session

    def call(self, method, path, **request):
        """Returns the JSON response. `params` and `json` are those of requests."""
        answer = self.session.request(self.base + path, method, raise_exc=False, **request)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.ok and document is not None:
            return document
        try:
            error = document["error"]
            said = f"{error['message']} ({error['reason']}, request {error['request_id']})"
        except (KeyError, TypeError):
            said = f"{self.base} answers HTTP {answer.status_code}, and not as glance-revert does."
        raise exceptions.CommandError(printable(said))

    def get(self, path, **params):
        """Sends a GET without the parameters that are None."""
        return self.call("GET", path, params=given(params))

    def post(self, path, **body):
        """Sends a POST without the members that are None."""
        return self.call("POST", path, json=given(body))

    def pages(self, path, key, limit, **params):
        """Returns the entries of all pages of a list, or the first `limit`."""
        found = []
        size = min(limit or PAGE, PAGE)
        page = self.get(path, limit=size, **params)
        found += page[key]
        while "next" in page and not (limit and len(found) >= limit):
            page = self.call("GET", page["next"])
            found += page[key]
        return found[:limit] if limit else found

    def show_pending(self, image):
        return self.get(f"/v2/pending-deletes/{quote(image, safe='')}")


def given(values):
    return {name: value for name, value in values.items() if value is not None}
