-- Who must wait for whom: tasks of one concurrency_key, and tasks whose next step may not start yet.

ALTER TABLE task ADD COLUMN concurrency_key TEXT;   -- as in spec
ALTER TABLE task ADD COLUMN line TEXT;              -- what it waits for at a gate, with whom: GateWait.line
UPDATE task SET concurrency_key = json_extract(spec, '$.concurrency_key') WHERE instr(spec, '"concurrency_key"');

-- Exactly the rows that can be claimed now, in the order of claiming, as before; but without those that have a key: whether
-- these can be claimed depends on what else runs. They are found in their order, or, where many of one key stand in front,
-- by key.
DROP INDEX task_ready;
CREATE INDEX task_ready ON task (lane, priority, due, n)
  WHERE queued = 1 AND unmet = 0 AND wait_until IS NULL AND concurrency_key IS NULL;
CREATE INDEX task_ready_keyed ON task (lane, priority, due, n, concurrency_key)
  WHERE queued = 1 AND unmet = 0 AND wait_until IS NULL AND concurrency_key IS NOT NULL;
CREATE INDEX task_ready_keys ON task (lane, concurrency_key, priority, due, n)
  WHERE queued = 1 AND unmet = 0 AND wait_until IS NULL AND concurrency_key IS NOT NULL;

CREATE INDEX task_key_held ON task (concurrency_key, lease_until) WHERE concurrency_key IS NOT NULL AND lease_until IS NOT NULL;
CREATE INDEX task_key_queued ON task (concurrency_key, priority, due, n) WHERE concurrency_key IS NOT NULL AND queued = 1;
CREATE INDEX task_line ON task (line, priority, due, n) WHERE line IS NOT NULL AND queued = 1;
