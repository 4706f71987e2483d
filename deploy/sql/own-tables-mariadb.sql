-- What the user of mariadb.sql may do with the service's own tables: no row of the audit can be
-- changed or deleted by it. After `glance-revert db sync`, as an administrator in Glance's database:
--
--     mariadb glance < own-tables-mariadb.sql
--
-- Without these tables, or without these grants, images are reverted all the same. Where the tables are
-- and cannot be read, a pause may be in force, so nothing is scrubbed.

GRANT SELECT ON revert_migrations TO 'glance_revert'@'%';

GRANT SELECT, UPDATE ON revert_scrubber TO 'glance_revert'@'%';

GRANT SELECT, INSERT, UPDATE, DELETE ON revert_holds TO 'glance_revert'@'%';

GRANT SELECT, INSERT ON revert_audit TO 'glance_revert'@'%';
