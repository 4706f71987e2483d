"""Calls the service with unmodified openstacksdk and keystoneauth, with a JWT as token."""

import os

import openstack
from keystoneauth1 import adapter, session
from keystoneauth1.exceptions.http import Conflict
from keystoneauth1.noauth import NoAuth
from openstack.exceptions import ConflictException, raise_from_response
from openstack.image.v2.image import Image

URL, TOKEN = os.environ["GLANCE_REVERT_URL"], os.environ["GLANCE_REVERT_TOKEN"]
GOLDEN, ALIVE = os.environ["GLANCE_REVERT_GOLDEN"], os.environ["GLANCE_REVERT_ALIVE"]
KERNEL = os.environ["GLANCE_REVERT_KERNEL"]


class Bearer(NoAuth):
    """Sends the JWT; with Keystone's plugins the same calls send X-Auth-Token."""

    def get_headers(self, session, **_):
        return {"Authorization": f"Bearer {TOKEN}"}


def with_openstacksdk(known):
    """Calls `Image._action` with the image endpoint overridden; discovers the versions itself."""
    cloud = openstack.connection.Connection(
        session=known, image_endpoint_override=f"{URL}/v2", image_api_version="2"
    )
    # It raises for no status: the caller looks.
    answer = Image.new(id=GOLDEN)._action(cloud.image, "revert")
    assert answer.json()["status"] == "active", answer.text
    try:
        raise_from_response(Image.new(id=ALIVE)._action(cloud.image, "revert"))
    except ConflictException as conflict:
        assert "nothing to revert" in str(conflict), conflict
        assert conflict.response.json()["error"]["reason"] == "image.already_active"
    else:
        raise AssertionError("no conflict")


def with_keystoneauth(known):
    """Calls through a plain keystoneauth adapter."""
    api = adapter.Adapter(known, endpoint_override=URL)
    image = api.post(f"/v2/images/{KERNEL}/actions/revert").json()
    assert image["status"] == "active", image
    try:
        api.post(f"/v2/images/{ALIVE}/actions/revert")
    except Conflict as conflict:
        assert "nothing to revert" in str(conflict), conflict
        assert conflict.request_id.startswith("req-")
    else:
        raise AssertionError("no conflict")


def main():
    known = session.Session(auth=Bearer(endpoint=URL))
    with_openstacksdk(known)
    with_keystoneauth(known)


main()
