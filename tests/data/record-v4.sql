-- The record of version 2 as version 4 migrated it, with a comparison that has an owner. Never changed: files like it are out there.
CREATE TABLE chunk (
    run INTEGER NOT NULL REFERENCES run (sequence) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    samples BLOB NOT NULL,
    PRIMARY KEY (run, position)
) STRICT;
INSERT INTO "chunk" VALUES(1,1,X'73616D706C6573');
CREATE TABLE clearing (
    model TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID
;
INSERT INTO "clearing" VALUES('mileage',1);
CREATE TABLE comparison (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_utc TEXT NOT NULL,
    model TEXT NOT NULL,
    inputs TEXT NOT NULL
, owner TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "comparison" VALUES(1,'5f0c','2026-01-02T03:04:05.678+00:00','tea','[5.0, 2.0, 3.5]','ann');
CREATE TABLE run (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at_utc TEXT NOT NULL,
    process INTEGER,
    seen_at REAL NOT NULL,
    progress TEXT NOT NULL,
    manifest TEXT NOT NULL,
    outcome TEXT NOT NULL
, imported INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "run" VALUES(1,'aaaa0001','compare','measured','finished','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{"done": 240, "total": 240, "phase": "measuring", "elapsed_s": 1.5}','{}','{}',0);
INSERT INTO "run" VALUES(2,'aaaa0002','compare','broke off at once','failed','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{}','{}','{}',0);
INSERT INTO "run" VALUES(3,'aaaa0003','coldstart','cold starts','cancelled','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{"done": 1, "total": 40, "phase": "asking FastAPI", "elapsed_s": 2.25, "probes": [{"step": 0, "endpoint": 0}], "instances": []}','{}','{}',0);
INSERT INTO "run" VALUES(4,'aaaa0004','compare','simulated','finished','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{"done": 240, "total": 240, "phase": "", "elapsed_s": 0}','{"truth": {}}','{}',0);
INSERT INTO "run" VALUES(5,'bbbb0001','compare','imported','finished','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{"done": 240, "total": 240}','{"truth": {}, "elapsed_s": 1}','{"elapsed_s": 1}',1);
INSERT INTO "run" VALUES(6,'bbbb0002','coldstart','imported cold starts','lost','2026-01-02T03:04:05.678+00:00',NULL,1767323045.0,'{"done": 6, "total": 6}','{}','{}',1);
CREATE TABLE sample (
    comparison INTEGER NOT NULL REFERENCES comparison (sequence) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    sent_at_utc TEXT NOT NULL,
    latency_ms REAL NOT NULL,
    status INTEGER,
    server_ms REAL,
    connection_reused INTEGER,
    instance_id TEXT,
    instance_age_ms REAL,
    request_count INTEGER,
    failure TEXT,
    failure_detail TEXT,
    answer TEXT,
    PRIMARY KEY (comparison, position)
) STRICT, WITHOUT ROWID;
INSERT INTO "sample" VALUES(1,0,'api','2026-01-02T03:04:05.678+00:00',12.5,200,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX comparison_by_model ON comparison (model, sequence);
CREATE INDEX comparison_by_owner ON comparison (model, owner, sequence);
PRAGMA user_version = 4;
