-- What the role of postgresql.sql may do with the service's own tables: no row of the audit can be
-- changed or deleted by it. After `glance-revert db sync`, as their owner in Glance's database:
--
--     psql -d glance -v ON_ERROR_STOP=1 -f own-tables-postgresql.sql
--
-- Without these tables, or without these grants, images are reverted all the same. Where the tables are
-- and cannot be read, a pause may be in force, so nothing is scrubbed.

GRANT SELECT ON revert_migrations TO glance_revert;

GRANT SELECT, UPDATE ON revert_scrubber TO glance_revert;

GRANT SELECT, INSERT, UPDATE, DELETE ON revert_holds TO glance_revert;

GRANT SELECT, INSERT ON revert_audit TO glance_revert;
