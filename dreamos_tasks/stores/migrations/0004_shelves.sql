-- What the board keeps beside its tasks has one table, whatever it is: gates, agents, incidents, mail, episodes.

-- `form` is JSON; whose it is says its module in model/ (gate.py, agent.py, ...).
CREATE TABLE shelf (
  shelf TEXT NOT NULL,
  key   TEXT NOT NULL,
  form  TEXT NOT NULL,
  PRIMARY KEY (shelf, key)
) WITHOUT ROWID;

INSERT INTO shelf (shelf, key, form) SELECT 'gate', key, state FROM gate;
DROP TABLE gate;

-- Tasks that are to be over by an instant, and are not: who looks for overdue ones reads no others.
CREATE INDEX task_due ON task (due) WHERE due < 4611686018427387904 AND status NOT IN ('completed', 'failed', 'cancelled');
