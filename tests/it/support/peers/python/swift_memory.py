"""Replaces memcached by memory of the only process."""

import time


class Memory:
    def __init__(self):
        self.values = {}

    def get(self, key, *_args, **_kwargs):
        value, until = self.values.get(key, (None, 0))
        return value if until > time.time() else None

    def set(self, key, value, time=0, **_kwargs):
        self.values[key] = (value, _now() + (time or 86400))

    def incr(self, key, delta=1, time=0, **_kwargs):
        self.set(key, (self.get(key) or 0) + delta, time)
        return self.get(key)

    def decr(self, key, delta=1, time=0, **_kwargs):
        return self.incr(key, -delta, time)

    def delete(self, key, *_args, **_kwargs):
        self.values.pop(key, None)


def _now():
    return time.time()


def filter_factory(_global_conf, **_local_conf):
    memory = Memory()

    def with_memory(app):
        def call(env, start_response):
            env["swift.cache"] = memory
            return app(env, start_response)
        return call
    return with_memory
