"""Commands of the `openstack` client for glance-revert."""
