-- What the execution engine asks of the board: what lapses when, how steps have gone, and who may use what.

-- Tasks that rest, by the instant at which a request or a pause has lasted its time.
CREATE INDEX task_deadline ON task (json_extract(state, '$.deadline'))
  WHERE status IN ('paused', 'awaiting_approval');

-- The ends of steps by tool and name: what durations, success rates and estimates are made of.
CREATE INDEX event_step_end ON event (json_extract(data, '$.detail.tool'), json_extract(data, '$.detail.step'), seq)
  WHERE type IN ('step_completed', 'step_failed');

-- What calls share beyond one task (a tool, a host, a key): who uses it, who waits for it, whether it is to be left alone.
CREATE TABLE gate (
  key   TEXT PRIMARY KEY,
  state TEXT NOT NULL                            -- JSON, see model/gate.py
) WITHOUT ROWID;
