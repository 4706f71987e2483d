-- A PostgreSQL role for glance-revert with only the columns that it reads and writes. Set a password,
-- then run it in Glance's database as the owner of Glance's tables, who must be allowed to create roles:
--
--     psql -d glance -v ON_ERROR_STOP=1 -f postgresql.sql
--
-- Then write into the drop-in file:
--
--     [database]
--     connection = postgresql+psycopg2://glance_revert:CHANGE_ME@database.example.org/glance
--
-- `glance-revert check` tries every statement. Advisory locks need no grant. If CONNECT on the database
-- or USAGE on its schema was revoked from PUBLIC, grant them too.

CREATE ROLE glance_revert LOGIN PASSWORD 'CHANGE_ME';

-- A revert locks these tables for a few milliseconds, so that `glance-manage db purge` does not delete
-- rows that have just come back. PostgreSQL 17 has a privilege for that. Older versions need UPDATE on
-- the whole table.
DO $$ BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON image_locations, image_properties, image_tags, image_members
            TO glance_revert';
    ELSE
        GRANT UPDATE ON image_locations, image_properties, image_tags, image_members
            TO glance_revert;
    END IF;
END $$;

GRANT SELECT (id, name, disk_format, container_format, size, virtual_size, status, checksum,
              os_hash_algo, os_hash_value, protected, os_hidden, min_ram, min_disk, owner,
              visibility, created_at, updated_at, deleted_at, deleted),
      UPDATE (status, protected, updated_at, deleted_at, deleted)
   ON images TO glance_revert;

GRANT SELECT (id, image_id, value, meta_data, status, deleted_at, deleted),
      UPDATE (status, updated_at, deleted_at, deleted)
   ON image_locations TO glance_revert;

GRANT SELECT (id, image_id, name, value, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_properties TO glance_revert;

GRANT SELECT (id, image_id, value, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_tags TO glance_revert;

GRANT SELECT (id, image_id, member, status, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_members TO glance_revert;
