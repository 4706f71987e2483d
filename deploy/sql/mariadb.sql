-- A MariaDB/MySQL user for glance-revert with only the columns that it reads and writes. Set a password
-- and, if you like, a narrower host, then run it as an administrator in Glance's database:
--
--     mariadb glance < mariadb.sql
--
-- Then write into the drop-in file:
--
--     [database]
--     connection = mysql+pymysql://glance_revert:CHANGE_ME@database.example.org/glance
--
-- `glance-revert check` tries every statement. Advisory locks (GET_LOCK) need no grant.

CREATE USER IF NOT EXISTS 'glance_revert'@'%' IDENTIFIED BY 'CHANGE_ME';

GRANT SELECT (id, name, disk_format, container_format, size, virtual_size, status, checksum,
              os_hash_algo, os_hash_value, protected, os_hidden, min_ram, min_disk, owner,
              visibility, created_at, updated_at, deleted_at, deleted),
      UPDATE (status, protected, updated_at, deleted_at, deleted)
   ON images TO 'glance_revert'@'%';

GRANT SELECT (id, image_id, value, meta_data, status, deleted_at, deleted),
      UPDATE (status, updated_at, deleted_at, deleted)
   ON image_locations TO 'glance_revert'@'%';

GRANT SELECT (id, image_id, name, value, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_properties TO 'glance_revert'@'%';

GRANT SELECT (id, image_id, value, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_tags TO 'glance_revert'@'%';

GRANT SELECT (id, image_id, member, status, deleted_at, deleted),
      UPDATE (updated_at, deleted_at, deleted)
   ON image_members TO 'glance_revert'@'%';
