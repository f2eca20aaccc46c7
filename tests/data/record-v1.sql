-- The record as its schema was in version 1, with one comparison in it. Never changed: files like it are out there.
CREATE TABLE comparison (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_utc TEXT NOT NULL,
    model TEXT NOT NULL,
    inputs TEXT NOT NULL
) STRICT;
CREATE INDEX comparison_by_model ON comparison (model, sequence);
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
INSERT INTO comparison (id, at_utc, model, inputs)
VALUES ('5f0c', '2026-01-02T03:04:05.678+00:00', 'tea', '[5.0, 2.0, 3.5]');
INSERT INTO sample
VALUES
    (1, 0, 'api', '2026-01-02T03:04:05.678+00:00', 12.5, 200, 0.125, 1, 'abc123', 4711.5, 3, NULL, NULL,
     '{"prediction": 1, "label": "oolong", "confidence": 0.7, "probabilities": [0.2, 0.7, 0.1], "model_version": "v1"}'),
    (1, 1, 'function', '2026-01-02T03:04:05.678+00:00', 500.0, NULL, NULL, NULL, NULL, NULL, NULL, 'timeout', NULL, NULL);
PRAGMA user_version = 1;
