"""A paste filter that replaces keystonemiddleware's auth_token.

Takes `X-Auth-Token: user:project:role1,role2` at its word and sets the headers that auth_token
would set. Everything behind it is Glance's own.
"""

import stall


def filter_factory(global_conf, **local_conf):
    return TestAuth


class TestAuth:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        parts = environ.get("HTTP_X_AUTH_TOKEN", "").split(":")
        if len(parts) != 3:
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b"X-Auth-Token is user:project:role1,role2 here\n"]
        user, project, roles = parts
        environ.update({
            "HTTP_X_IDENTITY_STATUS": "Confirmed",
            "HTTP_X_USER_ID": user,
            "HTTP_X_PROJECT_ID": project,
            "HTTP_X_ROLES": roles,
            "HTTP_X_USER_DOMAIN_ID": "default",
            "HTTP_X_PROJECT_DOMAIN_ID": "default",
        })
        stall.begin(environ)
        return self.app(environ, start_response)
