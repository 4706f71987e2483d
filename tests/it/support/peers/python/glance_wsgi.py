"""glance-api of any version for a WSGI server; `glance.wsgi.api` exists from Glance 30 on."""

try:
    from glance.wsgi.api import application  # noqa: F401
except ImportError:
    from glance.common.wsgi_app import init_app

    application = init_app()
