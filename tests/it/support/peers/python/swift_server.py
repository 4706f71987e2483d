"""A whole Swift in one process: account, container and object server, and two proxies in front of
them, one with tempauth and one with Keystone. Usage:

    swift_server.py FOLDER PROXY_PORT [KEYSTONE_PROXY_PORT KEYSTONE_URL USER PASSWORD PROJECT]

Everything listens on loopback and keeps its files in FOLDER. Segments of large objects may be as
small as a byte, and listings have pages of 10, so that tests need little data.
"""

import os
import socket
import sys

import eventlet
import eventlet.wsgi
from swift.common import utils

utils.eventlet_monkey_patch()

from swift.common.http_protocol import SwiftHttpProtocol  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

STORAGE = "account", "container", "object"

SWIFT = """
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[swift-constraints]
container_listing_limit = 10
"""

# Half a second for a connection is too little where tests fill every core: an answer of 503, or a
# listing without its newest object.
PATIENCE = "conn_timeout = 30\nnode_timeout = 60"

BACKEND = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
log_level = WARNING
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
allow_versions = true
fsync = false
{patience}
"""

PROXY = """
[DEFAULT]
swift_dir = {folder}
log_level = WARNING
[pipeline:main]
pipeline = catch_errors memory bulk {auth} copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000
{patience}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:memory]
paste.filter_factory = swift_memory:filter_factory
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
rate_limit_after_segment = 10000
[filter:dlo]
use = egg:swift#dlo
rate_limit_after_segment = 10000
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""

TEMPAUTH = """
[filter:tempauth]
use = egg:swift#tempauth
user_test_glance = {key} .admin
user_test_reader = {key}
user_other_glance = {key} .admin
user_reseller_admin = {key} .reseller_admin
storage_url_scheme = http
"""

KEYSTONE = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
interface = public
project_domain_id = default
user_domain_id = default
project_name = {project}
username = {user}
password = {password}
delay_auth_decision = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
reseller_prefix = KEY
operator_roles = admin, member
reseller_admin_role = ResellerAdmin
"""


def bound(port=0):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


def make_ring(folder, name, port):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({
        "id": 0, "region": 1, "zone": 1, "weight": 1, "device": "disk", "ip": "127.0.0.1",
        "port": port,
    })
    builder.rebalance()
    builder.get_ring().save(os.path.join(folder, name + ".ring.gz"))


def serve(folder, name, text, sock):
    path = os.path.join(folder, name + ".conf")
    with open(path, "w") as file:
        file.write(text)
    app = loadapp(path, global_conf={"log_name": name})
    return eventlet.spawn(
        eventlet.wsgi.server, sock, app, utils.NullLogger(), protocol=SwiftHttpProtocol,
        capitalize_response_headers=False,
    )


def main(folder, port, keystone_port=None, url=None, user=None, password=None, project=None):
    os.makedirs(os.path.join(folder, "devices", "disk"))
    with open(os.path.join(folder, "swift.conf"), "w") as file:
        file.write(SWIFT)
    utils.set_swift_dir(folder)
    # Once there is one of these, the others write to the console too.
    utils.get_logger({}, log_to_console=True)
    # Taken before anything is served, so that a port in use ends this at once.
    tempauth = TEMPAUTH.format(key=os.environ["SWIFT_KEY"])
    proxies = [("tempauth", "tempauth", tempauth, bound(int(port)))]
    if keystone_port:
        text = KEYSTONE.format(url=url, user=user, password=password, project=project)
        proxies.append(("keystone", "authtoken keystoneauth", text, bound(int(keystone_port))))
    servers = []
    for name in STORAGE:
        sock = bound()
        make_ring(folder, name, sock.getsockname()[1])
        text = BACKEND.format(folder=folder, name=name, patience=PATIENCE)
        servers.append(serve(folder, name + "-server", text, sock))
    for name, auth, text, sock in proxies:
        text = PROXY.format(folder=folder, auth=auth, patience=PATIENCE) + text
        servers.append(serve(folder, name + "-proxy", text, sock))
    for server in servers:
        server.wait()


main(*sys.argv[1:])
