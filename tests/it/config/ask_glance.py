"""Prints the options of the real Glance, and with which files it starts. The argument is a JSON file."""

import importlib.abc
import importlib.machinery
import json
import os
import sys
from unittest import mock



class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports empty modules for the client libraries of the cinder driver: its options need none."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cinderclient", "os_brick"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = mock.MagicMock(name=spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(StandIn())

import glance_store
import oslo_db.options
import oslo_middleware.opts
from glance.common import wsgi_app
from glance_store._drivers.cinder import store as cinder
from keystoneauth1 import loading
from keystonemiddleware import opts as keystone
from oslo_config import cfg

CONF = wsgi_app.CONF
PLUGINS = ("password", "v3password", "v3applicationcredential")


def options_of(table):
    if table == "keystone_authtoken":
        found = [option for _, options in keystone.list_auth_token_opts() for option in options]
        return found + [option for name in PLUGINS
                        for option in loading.get_auth_plugin_conf_options(name)]
    if table == "cinder":
        return cinder._CINDER_OPTS
    if table in ("database", "oslo_middleware"):
        module = oslo_db.options if table == "database" else oslo_middleware.opts
        return [option for _, options in module.list_opts() for option in options]
    if table == "glance_store":
        return [info["opt"] for info in CONF._groups["glance_store"]._opts.values()]
    from glance import opts
    listed = [option for group, options in opts.list_api_opts() + opts.list_scrubber_opts()
              if group is None for option in options]
    return listed + [info["opt"] for info in CONF._opts.values()]


def old_names(table):
    """Returns the former names in the same section, by option."""
    found = {}
    for option in options_of(table):
        old = found.setdefault(option.dest, [])
        old += [one.name for one in option.deprecated_opts
                if one.group is None and one.name not in old + [option.dest]]
    return found


def defaults():
    found = {option.dest: option.default for option in options_of("DEFAULT")}
    return {name: "" if value is None else str(value) for name, value in found.items()}


def start(path):
    CONF([], project="glance", prog="glance-api", default_config_files=[path],
         default_config_dirs=[])
    if CONF.enabled_backends:
        wsgi_app.store_utils.check_reserved_stores(CONF.enabled_backends)
        glance_store.register_store_opts(CONF, reserved_stores=wsgi_app.RESERVED_STORES)
        glance_store.create_multi_stores(CONF, reserved_stores=wsgi_app.RESERVED_STORES)
        glance_store.verify_store()
    else:
        glance_store.create_stores(CONF)
        glance_store.verify_default_store()


def starts(path):
    """Starts Glance in another process, since its state is global. Returns None or the error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            start(path)
            problem = ""
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        os.write(writing, problem.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        problem = pipe.read()
    os.waitpid(child, 0)
    return problem or None


with open(sys.argv[1], encoding="utf-8") as file:
    asked = json.load(file)
# Glance keeps what it prints itself apart from the answer.
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
glance_store.register_opts(CONF)
json.dump({
    "old_names": {table: old_names(table) for table in asked["tables"]},
    "defaults": defaults(),
    "starts": [starts(path) for path in asked["files"]],
}, answer)
