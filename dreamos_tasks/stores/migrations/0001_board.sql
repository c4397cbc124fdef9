-- The board: tasks, their dependencies and tags, and what happened to them.

-- One row a task. What claiming and listing ask for has its own column; the rest of the request is JSON in `spec`, the
-- rest of its state JSON in `state`. Instants are microseconds since 1970 in board time.
CREATE TABLE task (
  n             INTEGER PRIMARY KEY,             -- age: a greater number was added later
  task_id       TEXT    NOT NULL UNIQUE,
  status        TEXT    NOT NULL,
  priority      INTEGER NOT NULL,                -- 0 critical .. 3 low
  lane          TEXT    NOT NULL,                -- whose turn it can be: 'agent:NAME', 'plan' (daemons), 'open' (agents)
  queued        INTEGER NOT NULL,                -- 1 while a claim may take it
  unmet         INTEGER NOT NULL DEFAULT 0,      -- dependencies that are not completed
  wait_until    INTEGER,                         -- not_before, as long as it has not been reached
  due           INTEGER NOT NULL,                -- due_at, or the greatest number
  title         TEXT    NOT NULL,
  assigned_to   TEXT,
  parent_id     TEXT,
  dedupe_key    TEXT,
  not_before    INTEGER,
  claimed_by    TEXT,
  claimed_at    INTEGER,
  lease_until   INTEGER,
  heartbeat_at  INTEGER,
  last_token    INTEGER NOT NULL DEFAULT 0,
  attempt       INTEGER NOT NULL DEFAULT 0,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  pending_since INTEGER,
  started_at    INTEGER,
  finished_at   INTEGER,
  last_seq      INTEGER NOT NULL,                -- its newest event
  spec          TEXT,
  state         TEXT
);

-- Exactly the rows that can be claimed now, in the order of claiming.
CREATE INDEX task_ready ON task (lane, priority, due, n) WHERE queued = 1 AND unmet = 0 AND wait_until IS NULL;
-- Queued rows that cannot be claimed yet.
CREATE INDEX task_held_back ON task (n) WHERE queued = 1 AND (unmet > 0 OR wait_until IS NOT NULL);
CREATE INDEX task_waiting ON task (wait_until) WHERE wait_until IS NOT NULL;
CREATE INDEX task_leased ON task (lease_until) WHERE lease_until IS NOT NULL;
-- The states that are rare: a list of them must not read the finished ones.
CREATE INDEX task_rare ON task (status) WHERE status NOT IN ('pending', 'in_progress', 'completed');
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_assigned ON task (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX task_dedupe ON task (dedupe_key) WHERE dedupe_key IS NOT NULL;

-- `task` needs `needs`, both by number. Kept for ever: a completed dependency stays in the graph.
CREATE TABLE dependency (
  needs INTEGER NOT NULL,
  task  INTEGER NOT NULL,
  PRIMARY KEY (needs, task)
) WITHOUT ROWID;

CREATE TABLE task_tag (
  tag TEXT    NOT NULL,
  n   INTEGER NOT NULL,
  PRIMARY KEY (tag, n)
) WITHOUT ROWID;

-- What happened. `data` is JSON: {"changes": fields changed, "detail": what no field keeps}. `prev` is the task's event
-- before: a task's history is found by walking back from its last_seq, which spares each commit the page of an index.
CREATE TABLE event (
  seq     INTEGER PRIMARY KEY,
  n       INTEGER NOT NULL,
  prev    INTEGER,
  type    TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  by      TEXT    NOT NULL,
  data    TEXT    NOT NULL
);

-- Microseconds from time since boot to board time, one row for the boot in which the board was last used.
CREATE TABLE clock (
  boot_id   TEXT PRIMARY KEY,
  offset_us INTEGER NOT NULL
) WITHOUT ROWID;
