-- Grants on the service's own tables for the role of postgresql.sql, which can neither change nor delete
-- a row of the audit. Run it after `glance-revert db sync`, as their owner in Glance's database:
--
--     psql -d glance -v ON_ERROR_STOP=1 -f own-tables-postgresql.sql
--
-- Reverts work without these tables and without these grants. If the tables exist but cannot be read,
-- nothing is scrubbed, because a pause may be in force.

GRANT SELECT ON revert_migrations TO glance_revert;

GRANT SELECT, UPDATE ON revert_scrubber TO glance_revert;

GRANT SELECT, INSERT, UPDATE, DELETE ON revert_holds TO glance_revert;

GRANT SELECT, INSERT ON revert_audit TO glance_revert;
