-- Grants on the service's own tables for the user of mariadb.sql, which can neither change nor delete
-- a row of the audit. Run it after `glance-revert db sync`, as an administrator in Glance's database:
--
--     mariadb glance < own-tables-mariadb.sql
--
-- Reverts work without these tables and without these grants. If the tables exist but cannot be read,
-- nothing is scrubbed, because a pause may be in force.

GRANT SELECT ON revert_migrations TO 'glance_revert'@'%';

GRANT SELECT, UPDATE ON revert_scrubber TO 'glance_revert'@'%';

GRANT SELECT, INSERT, UPDATE, DELETE ON revert_holds TO 'glance_revert'@'%';

GRANT SELECT, INSERT ON revert_audit TO 'glance_revert'@'%';
