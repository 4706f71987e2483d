CREATE TABLE IF NOT EXISTS revert_scrubber (
    id INTEGER NOT NULL PRIMARY KEY,
    claims BIGINT DEFAULT 0 NOT NULL,
    paused_until {time},
    paused_at {time},
    paused_by VARCHAR(255),
    pause_reason VARCHAR(1024),
    scrub_time BIGINT,
    retention TEXT,
    accepted_images BIGINT,
    accepted_at {time},
    accepted_by VARCHAR(255),
    pass_started_at {time},
    pass_finished_at {time},
    pass_host VARCHAR(255),
    pass_report TEXT
){options};

INSERT INTO revert_scrubber (id)
SELECT 1 FROM (SELECT COUNT(*) AS found FROM revert_scrubber) AS counted WHERE found = 0;

CREATE TABLE IF NOT EXISTS revert_holds (
    image_id VARCHAR(36) NOT NULL PRIMARY KEY,
    held_until {time} NOT NULL,
    held_at {time} NOT NULL,
    held_by VARCHAR(255) NOT NULL,
    reason VARCHAR(1024)
){options};

CREATE TABLE IF NOT EXISTS revert_audit (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    created_at {time} NOT NULL,
    operation VARCHAR(64) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    image_id VARCHAR(36),
    owner VARCHAR(255),
    name VARCHAR(255),
    actor VARCHAR(255) NOT NULL,
    actor_name VARCHAR(255),
    actor_issuer VARCHAR(255),
    actor_method VARCHAR(32),
    actor_scope VARCHAR(255),
    source VARCHAR(16) NOT NULL,
    host VARCHAR(255),
    request_id VARCHAR(64),
    details TEXT,
    CONSTRAINT revert_audit_of_image UNIQUE (image_id, id),
    CONSTRAINT revert_audit_of_actor UNIQUE (actor, id),
    CONSTRAINT revert_audit_of_operation UNIQUE (operation, id)
){options};
