// TaskPage: all that one task's page shows, kept up to date by the board's messages about it.
import { batch, effect, signal } from "./view.js";
import { get, taskPath } from "./api.js";
import { connection, onMessage } from "./live.js";

const GATHER_MS = 100, RUNNING_MS = 2000;

export class TaskPage {
  constructor(id) {
    this.id = id;
    this.task = signal(null);
    this.choices = signal([]);
    this.expected = signal({}); // by step: how long it takes as a whole
    this.eta = signal(null);
    this.history = signal([]);
    this.attempts = signal([]);
    this.trouble = signal(null);
    this.timer = 0;
    this.isReading = this.isStale = this.isClosed = false;
  }

  open() {
    const stopHearing = onMessage((message) => {
      if (message.type === "gap" || message.data?.task_id === this.id) this.readSoon();
      else if (this.task.value?.depends_on.includes(message.data?.task_id)) this.readSoon();
    });
    const stopWatching = effect(() => { if (connection.value.state === "live") this.readSoon(0); });
    const running = setInterval(() => { if (this.task.value?.claim && !document.hidden) this.readEta(); }, RUNNING_MS);
    this.read();
    return () => { stopHearing(); stopWatching(); clearInterval(running); clearTimeout(this.timer); this.isClosed = true; };
  }

  readSoon(wait = GATHER_MS) {
    this.isStale = true;
    if (!this.timer && !this.isReading) this.timer = setTimeout(() => this.read(), wait);
  }

  async read() {
    this.timer = 0;
    if (this.isClosed) return;
    this.isReading = true;
    this.isStale = false;
    const path = taskPath(this.id);
    try {
      const [task, ahead, history] = await Promise.all([get(path), get(`${path}/ahead`), get(`${path}/history`)]);
      batch(() => {
        this.task.value = task;
        this.eta.value = task.finished_at ? null : task.eta;
        this.choices.value = ahead.choices;
        this.expected.value = ahead.expected;
        this.history.value = history.states;
        this.attempts.value = history.attempts;
        this.trouble.value = null;
      });
    } catch (error) {
      if (error.status) this.trouble.value = error;
    } finally {
      this.isReading = false;
      if (this.isStale) this.readSoon();
    }
  }

  async readEta() {
    const task = this.task.value;
    if (!task?.plan?.steps.length || task.finished_at) return;
    try {
      this.eta.value = await get(`${taskPath(this.id)}/eta`);
    } catch { /* the page does without; whatever is wrong is told by what else is read */ }
  }
}
