"""Prints how the real oslo.config and SQLAlchemy read the cases of a JSON file."""

import json
import os
import sys
import tempfile

from oslo_config import cfg
from sqlalchemy.engine import make_url

KINDS = {
    "str": cfg.StrOpt,
    "renamed": cfg.StrOpt,
    "multi": cfg.MultiStrOpt,
    "bool": cfg.BoolOpt,
    "int": cfg.IntOpt,
    "float": cfg.FloatOpt,
    "list": cfg.ListOpt,
    "dict": cfg.DictOpt,
}


def attempt(function, *arguments):
    try:
        return {"value": function(*arguments)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def read(case, folder):
    arguments = []
    for index, text in enumerate(case["files"]):
        path = os.path.join(folder, f"{index}.conf")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        arguments += ["--config-file", path]
    conf = cfg.ConfigOpts()
    for group, name, kind in case["options"]:
        old = ["old", "old-er"] if kind == "renamed" else []
        option = KINDS[kind](name, deprecated_opts=[cfg.DeprecatedOpt(one) for one in old])
        conf.register_opt(option, group=None if group == "DEFAULT" else group)
    conf(arguments, project="none", default_config_files=[], default_config_dirs=[])

    def value(group, name):
        return conf[name] if group == "DEFAULT" else conf[group][name]

    return [attempt(value, group, name) for group, name, _ in case["options"]]


def with_environment(case):
    os.environ.update(case["environment"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            return attempt(read, case, folder)
    finally:
        for name in case["environment"]:
            del os.environ[name]


def split(text):
    url = make_url(text)
    query = {name: [value] if isinstance(value, str) else list(value)
             for name, value in url.query.items()}
    return [url.drivername, url.username, url.password, url.host, url.port, url.database, query]


with open(sys.argv[1], encoding="utf-8") as file:
    asked = json.load(file)
json.dump({
    "cases": [with_environment(case) for case in asked["cases"]],
    "urls": [attempt(split, url) for url in asked["urls"]],
}, sys.stdout)
